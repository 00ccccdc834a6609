"""Each way in which a story comes to have no picture, and each in which it has one, in words."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.admin.trace.explanation import explain
from consumer.admin.trace.timeline import (
    FailureFacts,
    FileState,
    GroupFacts,
    RecordState,
    SearchFacts,
    Standing,
    StoredUse,
    StoreFacts,
    Timeline,
)
from schemas import names
from tests.support.timelines import (
    DONE,
    FAILURE,
    MASTER,
    NOON,
    RENDITION,
    WAITING,
    asked,
    at,
    clock,
    head,
    letter,
    outcome,
    place,
    ready,
    retried,
    timeline,
)

REFUSED = FailureFacts("invalid_field", "`output.width` is 5: at least 64.", "output.width")
FIRST = f"the request of revision 1, published {clock(60)} (article-image-requested 3:1),"
NONE = f"hero of a-1 has no picture: {FIRST}"
THERE = StoreFacts({MASTER: FileState.THERE, RENDITION: FileState.THERE})
SHOWN = f"https://cdn.example/m.png, announced {clock(55)} for revision 1"

KEPT = frozenset({"chosen", "kept"})
TAKEN_DOWN = asked(2, 30, kind="withdrawn", slot=None, revision=None)
WITHDRAWN = outcome("withdrawn", 2, 29, ordinal=2, message="A complaint.")
RESTORED = asked(4, 10, kind="restored", slot=None, revision=None)


def lost(**states: FileState) -> StoreFacts:
    keys = {"master": MASTER, "rendition": RENDITION}
    return StoreFacts({**THERE.states, **{keys[name]: state for name, state in states.items()}})


WITHOUT: dict[str, tuple[Timeline, str]] = {
    "nothing published": (
        timeline(search=SearchFacts(home=3, partitions=tuple(range(12)), elsewhere=True)),
        (
            "Nothing was ever published under the key a-1: no record of it is in any of the 12 partitions of "
            "the topics, as far back as they go."
        ),
    ),
    "nothing since": (
        timeline(search=SearchFacts(home=3, partitions=(0, 1, 2, 3), since_ms=at(90))),
        (
            "Nothing was ever published under the key a-1: no record of it is in any of the 4 partitions of "
            f"the topics, since {clock(90)}."
        ),
    ),
    "refused": (
        timeline(
            requests=(asked(problem=REFUSED),),
            outcomes=(outcome("failed", failure=REFUSED, final=True, attempts=1),),
            letters=(letter(failure=REFUSED),),
        ),
        (
            f"{NONE} was refused {clock(55)}: `output.width` is 5: at least 64 (invalid_field, field "
            "output.width); its original is dead letter 3:7 (open)."
        ),
    ),
    "failed after retries": (
        timeline(
            requests=(asked(), retried(standing=DONE)),
            outcomes=(outcome("failed", minutes=40, failure=FAILURE, attempts=4),),
            letters=(letter(),),
        ),
        (
            f"{NONE} failed {clock(40)} after 4 attempts: The engine was killed (engine_failed); its original "
            "is dead letter 3:7 (open); once the cause is fixed: leadart dead-letters redrive 3:7 --execute."
        ),
    ),
    "failed and purged": (
        timeline(
            requests=(asked(),),
            outcomes=(outcome("failed", failure=FAILURE, attempts=1),),
            letters=(letter(state="purged", acted_at="2031-01-07T11:59:00Z"),),
        ),
        (
            f"{NONE} failed {clock(55)} after 1 attempt: The engine was killed (engine_failed); its original "
            "is dead letter 3:7 (purged 2031-01-07T11:59:00Z)."
        ),
    ),
    "a record without an article id that could be read": (
        timeline(requests=(asked(problem=REFUSED, slot=None, revision=None, kind=""),), letters=(letter(),)),
        (
            f"a-1 has no picture: the record, published {clock(60)} (article-image-requested 3:1), became "
            "dead letter 3:7 (open): The engine was killed (engine_failed)."
        ),
    ),
    "waits in a retry lane": (
        timeline(requests=(asked(), retried())),
        (
            f"{NONE} waits in article-image-retry-10m until {clock(-5)}: attempt 3 comes next, because of The "
            "engine was killed (engine_failed)."
        ),
    ),
    "waits in a retry lane, and nobody is there": (
        timeline(requests=(asked(), retried()), workers=0),
        (
            f"{NONE} waits in article-image-retry-10m until {clock(-5)}: attempt 3 comes next, because of The "
            "engine was killed (engine_failed), and no worker is in group leadart: start one."
        ),
    ),
    "a retry that is due": (
        timeline(requests=(asked(), retried(due=5))),
        (
            f"{NONE} waits at article-image-retry-10m 3:0: 4 records before it, attempt 3 comes next, because "
            "of The engine was killed (engine_failed)."
        ),
    ),
    "not read yet": (
        timeline(requests=(asked(standing=WAITING),), workers=0),
        f"{NONE} is not finished yet: 4 records before it, and no worker is in group leadart: start one.",
    ),
    "settling": (
        timeline(requests=(asked(standing=WAITING, settles_ms=at(-1)),)),
        f"{NONE} settles until {clock(-1)}: a newer save would take its place.",
    ),
    "settled, and not painted yet": (
        timeline(requests=(asked(standing=WAITING, settles_ms=at(1)),)),
        f"{NONE} is not finished yet: 4 records before it.",
    ),
    "settled early, and in the engine": (
        timeline(requests=(asked(standing=Standing(RecordState.IN_ENGINE), settles_ms=at(-1)),)),
        f"{NONE} is being painted now.",
    ),
    "not read yet, and the policy is not known here": (
        timeline(
            requests=(asked(standing=WAITING),),
            group=GroupFacts("leadart", 2, policy_problem="p.toml: No such file: let LEADART_POLICY__FILE name one"),
        ),
        (
            f"{NONE} is not finished yet: 4 records before it. The editorial policy cannot be read here: p.toml: No "
            "such file: let LEADART_POLICY__FILE name one."
        ),
    ),
    "held back by an outage": (
        timeline(
            requests=(asked(standing=Standing(RecordState.WAITING)),),
            group=GroupFacts("leadart", 2, outage="store_unavailable"),
        ),
        (f"{NONE} is not finished yet: no record before it, and the workers hold requests back (store_unavailable)."),
    ),
    "in a partition that stands still": (
        timeline(requests=(asked(standing=WAITING),), group=GroupFacts("leadart", 2, stuck="Set an offset.")),
        f"{NONE} is not finished yet: 4 records before it. Its partition stands still: Set an offset.",
    ),
    "being painted": (
        timeline(requests=(asked(standing=Standing(RecordState.IN_ENGINE)),)),
        f"{NONE} is being painted now.",
    ),
    "workers died of it": (
        timeline(requests=(asked(standing=Standing(RecordState.WAITING, 0, deaths=2)),)),
        f"{NONE} is not finished yet: no record before it, 2 workers died with it in the engine.",
    ),
    "the group is unknown": (
        timeline(
            requests=(asked(standing=Standing(RecordState.UNKNOWN)),),
            group=GroupFacts("leadart", problem="no coordinator"),
        ),
        f"{NONE} has no outcome, and how far the group is with it is unknown: no coordinator.",
    ),
    "paused": (
        timeline(requests=(asked(standing=WAITING, paused_ms=at(30)),)),
        (
            f"{NONE} is paused by an operator since {clock(30)}: leadart pause lists what is, leadart resume lets it "
            "go on."
        ),
    ),
    "called off, and no worker has read that": (
        timeline(requests=(asked(standing=WAITING, called_off=True),), workers=0),
        (
            f"{NONE} is called off, and ends as cancelled when a worker reads it, and no worker is in group leadart: "
            "start one."
        ),
    ),
    "expired": (
        timeline(requests=(asked(),), outcomes=(outcome("expired", expires_at="2031-01-07T11:01:00Z"),)),
        f"{NONE} expired: 2031-01-07T11:01:00Z passed before its turn came.",
    ),
    "superseded by one that failed": (
        timeline(
            requests=(asked(9, 70), asked(1, 60)),
            outcomes=(outcome("failed", 9, 65, failure=FAILURE, attempts=1), outcome("superseded", newer=9)),
        ),
        (
            f"{NONE} was superseded by revision 9, which failed {clock(65)} after 1 attempt: The engine was "
            "killed (engine_failed)."
        ),
    ),
    "superseded by one that is gone": (
        timeline(requests=(asked(),), outcomes=(outcome("superseded", newer=2**40),), heads=(head(2**40),)),
        (
            f"{NONE} was superseded by revision {2**40}, which came with request r-{2**40} of /cms/other and "
            "is no longer in the topics (if it was a mistake: leadart heads reset a-1)."
        ),
    ),
    "finished without an outcome": (
        timeline(requests=(asked(),)),
        (
            f"{NONE} was finished by group leadart, yet none of its outcomes is there: the topic no longer "
            "holds it, or it was not read."
        ),
    ),
    "only the outcome is left": (
        timeline(outcomes=(outcome("failed", failure=REFUSED, final=True),)),
        (
            f"hero of a-1 has no picture: its last request was refused {clock(55)}: `output.width` is 5: at "
            "least 64 (invalid_field, field output.width)."
        ),
    ),
    "only the head is left": (
        timeline(heads=(head(4, made=3),)),
        (
            "hero of a-1 has no picture: the topics hold only its head: the newest request was of revision "
            "4, and revision 3 was announced last."
        ),
    ),
    "the picture is gone": (
        timeline(requests=(asked(),), outcomes=(ready(),), store=lost(master=FileState.GONE)),
        (
            f"hero of a-1 has no picture: it was announced {clock(55)} for revision 1, but {MASTER} is gone "
            "from the store. A replay paints it again: leadart replay --from 7d --article a-1 --execute."
        ),
    ),
    "the picture is damaged": (
        timeline(requests=(asked(),), outcomes=(ready(),), store=lost(master=FileState.DAMAGED)),
        (
            f"hero of a-1 has no picture: it was announced {clock(55)} for revision 1, but {MASTER} is "
            "damaged in the store. A replay paints it again: leadart replay --from 7d --article a-1 "
            "--execute."
        ),
    ),
    "a rendition is gone": (
        timeline(requests=(asked(),), outcomes=(ready(),), store=lost(rendition=FileState.GONE)),
        f"hero of a-1 has its picture: {SHOWN}. But the store lacks 1 of its 1 renditions: hero-960 avif (gone).",
    ),
    "declined": (
        timeline(
            requests=(asked(),),
            outcomes=(outcome("declined", rule="courts", message="No pictures of trials.", ordinal=1),),
        ),
        f"{NONE} was declined {clock(55)} by rule courts: No pictures of trials.",
    ),
    "held": (
        timeline(
            requests=(asked(),),
            outcomes=(outcome("held", rule="war", message="A chief decides.", expires_at="2031-01-08T11:00:00Z"),),
        ),
        (
            f"{NONE} is held since {clock(55)} by rule war: A chief decides; an image-approved event for slot "
            "hero and revision 1 lets it go on, else it expires 2031-01-08T11:00:00Z."
        ),
    ),
    "held, and its approval is not read yet": (
        timeline(
            requests=(asked(), asked(2, 30, kind="image-approved", revision=1, standing=WAITING)),
            outcomes=(outcome("held", rule="war", expires_at="2031-01-08T11:00:00Z"),),
        ),
        (
            f"hero of a-1 has no picture: the approval of revision 1, published {clock(30)} "
            "(article-image-requested 3:2), is not finished yet: 4 records before it."
        ),
    ),
    "approved, and failed then": (
        timeline(
            requests=(asked(), asked(2, 30, kind="image-approved", revision=1)),
            outcomes=(outcome("held"), outcome("failed", 1, 20, failure=FAILURE, attempts=4)),
        ),
        f"{NONE} failed {clock(20)} after 4 attempts: The engine was killed (engine_failed).",
    ),
    "called off": (
        timeline(requests=(asked(),), outcomes=(outcome("cancelled", message="Replay 3f was called off."),)),
        f"{NONE} was called off {clock(55)}: Replay 3f was called off.",
    ),
    "ended in a way that is not known here": (
        timeline(requests=(asked(),), outcomes=(outcome("burned"),)),
        f"{NONE} ended {clock(55)} as burned.",
    ),
    "taken down": (
        timeline(
            requests=(asked(), TAKEN_DOWN, asked(3, 20)),
            outcomes=(ready(ordinal=1), WITHDRAWN, outcome("withdrawn", 3, 19, ordinal=3)),
        ),
        (
            f"hero of a-1 has no picture: it was taken down {clock(29)} (A complaint), and stays so until it "
            f"is restored (leadart restore a-1 --execute); the request of revision 3, published "
            f"{clock(20)} (article-image-requested 3:3), ended {clock(19)} as withdrawn."
        ),
    ),
    "taken down and restored": (
        timeline(requests=(asked(), TAKEN_DOWN, RESTORED), outcomes=(ready(ordinal=1), WITHDRAWN)),
        (
            f"hero of a-1 has no picture: it was taken down {clock(29)} (A complaint), and restored {clock(10)}, "
            "but nothing was asked for since: publish a request."
        ),
    ),
    "restored, and asked for again": (
        timeline(
            requests=(asked(), TAKEN_DOWN, RESTORED, asked(5, 5, standing=WAITING)),
            outcomes=(ready(ordinal=1), WITHDRAWN),
        ),
        (
            f"hero of a-1 has no picture: it was taken down {clock(29)} (A complaint), and restored {clock(10)}; "
            f"the request of revision 5, published {clock(5)} (article-image-requested 3:5), is not finished yet: "
            "4 records before it."
        ),
    ),
    "a picture of the site's own": (
        timeline(
            requests=(asked(), asked(2, 30, kind="image-chosen")),
            outcomes=(ready(ordinal=1), outcome("declined", 2, 29, rule="external_choice", ordinal=2)),
        ),
        (
            f"hero of a-1 has no picture: an editor declared a picture of the site's own {clock(30)}, and leadart "
            "stays out of the slot until an editor lets go of it (leadart choose a-1 --slot hero --let-go "
            "--execute)."
        ),
    ),
    "a picture of the site's own that was let go": (
        timeline(
            requests=(asked(2, 30, kind="image-chosen"), asked(3, 20, kind="image-chosen", lets_go=True)),
            outcomes=(
                outcome("declined", 2, 29, rule="external_choice", ordinal=2),
                outcome("declined", 3, 19, rule="external_choice", ordinal=3),
            ),
        ),
        (
            f"hero of a-1 has no picture: an editor declared a picture of the site's own {clock(30)}, and let go "
            f"of it {clock(20)}, but nothing was asked for since: publish a request."
        ),
    ),
    "a picture of the site's own that was let go, and a replay that was called off": (
        timeline(
            requests=(
                asked(2, 30, kind="image-chosen"),
                asked(3, 20, kind="image-chosen", lets_go=True),
                asked(1, 15, place=place(0, names.BACKFILL), origin=place(0, names.BACKFILL), replay="x"),
            ),
            outcomes=(
                outcome("declined", 2, 29, rule="external_choice", ordinal=2),
                outcome("declined", 3, 19, rule="external_choice", ordinal=3),
                outcome("cancelled", 1, 14, message="An operator called this off: lane backfill."),
            ),
        ),
        (
            f"hero of a-1 has no picture: an editor declared a picture of the site's own {clock(30)}, and let go "
            f"of it {clock(20)}; the request of revision 1, published by a replay {clock(15)} (article-image-backfill "
            f"3:0), was called off {clock(14)}: An operator called this off: lane backfill."
        ),
    ),
    "a picture of the site's own, and a request that failed": (
        timeline(
            requests=(asked(2, 30, kind="image-chosen"), asked(3, 20)),
            outcomes=(
                outcome("declined", 2, 29, rule="external_choice", ordinal=2),
                outcome("failed", 3, 19, failure=REFUSED, final=True),
            ),
        ),
        (
            f"hero of a-1 has no picture: an editor declared a picture of the site's own {clock(30)}, and leadart "
            "stays out of the slot until an editor lets go of it (leadart choose a-1 --slot hero --let-go --execute); "
            f"the request of revision 3, published {clock(20)} (article-image-requested 3:3), was refused {clock(19)}: "
            "`output.width` is 5: at least 64 (invalid_field, field output.width)."
        ),
    ),
}
WITH: dict[str, tuple[Timeline, str]] = {
    "a picture": (
        timeline(requests=(asked(),), outcomes=(ready(),), store=THERE),
        f"hero of a-1 has its picture: {SHOWN}.",
    ),
    "a picture, and the store is down": (
        timeline(requests=(asked(),), outcomes=(ready(),), store=StoreFacts(problem="the store cannot be reached.")),
        (
            f"hero of a-1 has its picture: {SHOWN}. Whether its file is still in the store is not known: the "
            "store cannot be reached."
        ),
    ),
    "a picture, and a later save was refused": (
        timeline(
            requests=(asked(), asked(2, 40)),
            outcomes=(ready(), outcome("failed", 2, 35, failure=REFUSED, final=True)),
            store=THERE,
        ),
        (
            f"hero of a-1 has its picture: {SHOWN}. Later, the request of revision 2, published {clock(40)} "
            f"(article-image-requested 3:2), was refused {clock(35)}: `output.width` is 5: at least 64 "
            "(invalid_field, field output.width)."
        ),
    ),
    "a picture, and a replay of it waits": (
        timeline(
            requests=(
                asked(),
                asked(
                    1, 5, place=place(0, names.BACKFILL), origin=place(0, names.BACKFILL), replay="x", standing=WAITING
                ),
            ),
            outcomes=(ready(),),
            store=THERE,
        ),
        (
            f"hero of a-1 has its picture: {SHOWN}. Later, the request of revision 1, published by a replay "
            f"{clock(5)} (article-image-backfill 3:0), is not finished yet: 4 records before it."
        ),
    ),
    "a picture, and a newer request that came before it was announced": (
        timeline(requests=(asked(), asked(2, 57, standing=WAITING)), outcomes=(ready(),), store=THERE),
        (
            f"hero of a-1 has its picture: {SHOWN}. Meanwhile, the request of revision 2, published {clock(57)} "
            "(article-image-requested 3:2), is not finished yet: 4 records before it."
        ),
    ),
    "a picture that was approved, and the approval not committed yet when it was looked at": (
        timeline(
            requests=(asked(), asked(2, 57, kind="image-approved", revision=1, standing=WAITING)),
            outcomes=(outcome("held", 1, 59, rule="politics"), ready()),
            store=THERE,
        ),
        f"hero of a-1 has its picture: {SHOWN}.",
    ),
    "the newest revision, whenever it was announced": (
        timeline(requests=(asked(), asked(2, 50)), outcomes=(ready(2, 45), ready(1, 40)), store=THERE),
        f"hero of a-1 has its picture: https://cdn.example/m.png, announced {clock(45)} for revision 2.",
    ),
    "an editor's choice, kept by a later save": (
        timeline(
            requests=(asked(), asked(2, 40)),
            outcomes=(ready(flags=frozenset({"chosen"}), ordinal=1), ready(2, 35, flags=KEPT, ordinal=2)),
            store=THERE,
        ),
        (
            f"hero of a-1 has its picture: https://cdn.example/m.png, announced {clock(35)} for revision 2, "
            "chosen by an editor."
        ),
    ),
    "an editor's choice, with offers beside it": (
        timeline(
            requests=(asked(), asked(2, 40)),
            outcomes=(
                ready(flags=frozenset({"chosen"}), ordinal=1),
                ready(2, 35, flags=frozenset({"offers"}), ordinal=2),
            ),
            store=THERE,
        ),
        (
            f"hero of a-1 has its picture: {SHOWN}, chosen by an editor. Later, the request of revision 2, "
            f"published {clock(40)} (article-image-requested 3:2), was announced {clock(35)} with 1 picture, "
            "offered beside the choice."
        ),
    ),
    "restored and painted again": (
        timeline(
            requests=(asked(), TAKEN_DOWN, RESTORED, asked(5, 5)),
            outcomes=(ready(ordinal=1), WITHDRAWN, ready(5, 4, ordinal=3)),
            store=THERE,
        ),
        f"hero of a-1 has its picture: https://cdn.example/m.png, announced {clock(4)} for revision 5.",
    ),
    "two slots": (
        timeline(
            requests=(asked(), asked(2, 50, slot="teaser")),
            outcomes=(ready(), ready(2, 45, slot="teaser")),
            store=THERE,
        ),
        (
            f"hero of a-1 has its picture: {SHOWN}. teaser of a-1 has its picture: https://cdn.example/m.png, "
            f"announced {clock(45)} for revision 2."
        ),
    ),
}


@pytest.mark.parametrize("case", WITHOUT)
def test_why_there_is_no_picture(case: str) -> None:
    """Without its picture, or with one that lacks files, the last line says why in a sentence."""
    found, sentence = WITHOUT[case]

    answer = explain(found, NOON)

    assert (answer.sentence, answer.picture) == (sentence, False)


@pytest.mark.parametrize("case", WITH)
def test_which_picture_there_is(case: str) -> None:
    """With its picture, the last line says which and since when, and what came later."""
    found, sentence = WITH[case]

    answer = explain(found, NOON)

    assert (answer.sentence, answer.picture) == (sentence, True)


STORED = StoredUse("hero", "dd" * 32, announced=False, picture="pictures/dd/old.png")
CAVEATS: dict[str, tuple[dict[str, Any], str]] = {
    "stored, and in no outcome": (
        {"requests": (asked(standing=WAITING),), "store": StoreFacts(uses=(STORED, STORED))},
        (
            "The store has 2 pictures of a-1 for hero that no outcome named which was read, such as "
            "pictures/dd/old.png: announced before that, or painted and not announced yet."
        ),
    ),
    "elsewhere": (
        {"requests": (asked(place=place(1, partition=5), origin=place(1, partition=5)),), "outcomes": (ready(),)},
        (
            "Its requests are in partition 5, and Kafka's Java client would put them into 3: the publisher "
            "partitions in another way, or uses another key."
        ),
    ),
    "scattered": (
        {
            "requests": (asked(), asked(2, place=place(1, partition=5), origin=place(1, partition=5))),
            "outcomes": (ready(), ready(2)),
        },
        (
            "Its requests are in partitions 3, 5: of several saves the newest wins only within one "
            "partition, so publish with the article id as the key and one partitioner."
        ),
    ),
    "hidden": (
        {"search": SearchFacts(home=3, partitions=(3,), hidden=2), "requests": (asked(),), "outcomes": (ready(),)},
        "2 offsets of the lanes are hidden behind a publisher's open transaction.",
    ),
    "unread": (
        {"search": SearchFacts(home=3, partitions=(3,), unread=("x 3 from offset 7 on: CorruptRecord",))},
        "Not read: x 3 from offset 7 on: CorruptRecord.",
    ),
}


@pytest.mark.parametrize("case", CAVEATS)
def test_what_may_make_the_answer_wrong_is_said(case: str) -> None:
    """A publisher that partitions otherwise, records that nobody sees yet, and what could not be read."""
    parts, sentence = CAVEATS[case]

    assert explain(timeline(**parts), NOON).sentence.endswith(sentence)


def test_two_slots_need_two_pictures() -> None:
    """The answer is yes only if every slot that was asked for has its picture."""
    found = timeline(requests=(asked(), asked(2, slot="teaser", standing=WAITING)), outcomes=(ready(),), store=THERE)

    assert not explain(found, NOON).picture


def test_a_request_is_answered_for_itself() -> None:
    """What came of that request counts, and what the slot shows instead is said."""
    found = timeline(
        requests=(asked(), asked(2, 40), asked(3, 30, standing=WAITING)),
        outcomes=(ready(), ready(2, 35)),
        store=THERE,
    )
    first, third = explain(found, NOON, "r-1"), explain(found, NOON, "r-3")

    assert (first.picture, third.picture) == (True, False)
    assert first.sentence == (
        f"Request r-1 (hero of a-1) has its picture: {SHOWN}. The slot shows the picture of request r-2, revision 2."
    )
    assert third.sentence.startswith("Request r-3 (hero of a-1) has no picture: the request of revision 3, published")
    assert explain(timeline(), NOON, "r-9").sentence.startswith("No request with the event id r-9 is in")
