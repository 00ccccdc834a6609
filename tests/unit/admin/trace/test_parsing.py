"""Records become what a trace tells of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.trace.explanation import explain
from consumer.admin.trace.filters import ArticleFilter, RequestFilter
from consumer.admin.trace.holds import Holds
from consumer.admin.trace.parsing import parse_head, parse_lane_record, parse_outcome
from consumer.admin.trace.rows import trace_rows, trace_values
from consumer.admin.trace.timeline import FailureFacts, Place, RecordState, Standing
from consumer.delivery.controls import Cancel, Controls, Pause, Selector
from consumer.delivery.editorial import Editorial, Withdrawal
from consumer.delivery.heads import Head, Slot, head_key, write_head
from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import RetrySchedule, RetryState
from consumer.errors import Transient
from consumer.jobs import Record
from consumer.kafka.announced import parse_announced
from consumer.kafka.topics import retry_policy
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import Reason, names
from schemas.cloudevents import Event, write
from tests.support.announcements import announced
from tests.support.harness import request_data
from tests.support.timelines import timeline

SETTINGS = Settings()
DONE, WAITING = Standing(RecordState.FINISHED), Standing(RecordState.WAITING)
HEADERS, VALUE = write(Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=request_data("a-1", 7)))
RECORD = Record(names.REQUESTED, 3, 42, b"a-1", VALUE, tuple(HEADERS), 1_000)
WITHDRAWAL = Withdrawal(source="/cms", request_id="w-1", ordinal=4, message="A complaint.")


def as_read(written: OutgoingRecord, offset: int = 5) -> Record:
    return Record(written.topic, written.partition, offset, written.key, written.value, written.headers, 2_000)


def test_a_request_is_told_by_what_it_says() -> None:
    """Its kind, id, slot, revision and coordinates."""
    found = parse_lane_record(RECORD, retry_policy(SETTINGS), DONE, Holds())

    assert (found.kind, found.request_id, found.slot, found.revision) == ("image-requested", "r-1", "hero", 7)
    assert (found.place, found.is_retry, found.problem) == (Place(names.REQUESTED, 3, 42), False, None)


def test_a_retry_is_told_from_its_first_attempt() -> None:
    """Where it came from, which attempt it is, when it is due, and why the one before failed."""
    schedule = RetrySchedule(names.RETRY_10M, 1_000, 600_000)
    retry = OutcomeBuilder(SETTINGS).retry(RetryState(RECORD, 1), Transient(Reason.ENGINE_FAILED, "Gone."), schedule)
    found = parse_lane_record(as_read(retry.records[0]), retry_policy(SETTINGS), DONE, Holds())

    assert (found.place, found.origin) == (Place(names.RETRY_10M, 3, 5), Place(names.REQUESTED, 3, 42))
    assert (found.attempt, found.due_ms, found.failure) == (3, 600_000, FailureFacts("engine_failed", "Gone."))
    assert (found.request_id, found.slot) == ("r-1", "hero")


def test_a_record_that_breaks_the_contract_says_how() -> None:
    """The same code, sentence and field as its failed outcome; an unreadable one is named by its coordinates."""
    wrong = parse_lane_record(replace(RECORD, key=b"b"), retry_policy(SETTINGS), DONE, Holds())
    rubbish = parse_lane_record(replace(RECORD, value=None, headers=()), retry_policy(SETTINGS), DONE, Holds())
    unread = replace(RECORD, value=None, not_read="It is too large.")
    too_large = parse_lane_record(unread, retry_policy(SETTINGS), DONE, Holds())

    assert wrong.problem
    assert (wrong.problem.reason, wrong.problem.field) == ("wrong_key", "article.id")
    assert (rubbish.request_id, rubbish.kind) == (f"{names.REQUESTED}:3:42", "")
    assert too_large.problem == FailureFacts("too_large", "It is too large.")


def test_an_outcome_is_read_leniently() -> None:
    """What is known of it is kept; fields of another form, and of a newer worker, do no harm."""
    rendition = {"name": "hero-960", "media_type": "image/avif", "key": "k2", "sha256": "s2", "bytes": 3}
    picture = {"recipe": "e", "url": "u", "key": "k", "sha256": "s", "bytes": 5, "renditions": [rendition, "?"]}
    ready = parse_outcome(announced("ready", pictures=[picture, None], ordinal=4, chosen=True, kept="yes", slot="hero"))
    newer = parse_outcome(announced("burned", pictures="?", message="Gone.", rule="fire", slot=None))
    expiring = parse_outcome(announced("ready", pictures=[{**picture, "url_expires": "2031-01-01T00:00:00Z"}]))

    assert (ready.ordinal, sorted(ready.flags), len(ready.pictures)) == (4, ["chosen"], 1)
    assert [(file.name, file.key, file.size) for file in ready.pictures[0].files] == [
        ("master", "k", 5),
        ("hero-960 avif", "k2", 3),
    ]
    assert (newer.kind, newer.rule, newer.message, newer.slot, newer.pictures) == ("burned", "fire", "Gone.", None, ())
    assert (ready.pictures[0].url, expiring.pictures[0].url) == ("u", "")


def test_a_head_is_its_groups() -> None:
    """Another group's, another article's, a deleted or an unreadable one is none."""
    value = write_head(Head(7, "/cms", "r-1", 6, ordinal=4, editorial=Editorial(withdrawal=WITHDRAWAL)))
    record = replace(RECORD, topic=names.HEADS, key=head_key("leadart", Slot("a-1", "hero")), value=value)
    found = parse_head(record, "leadart", "a-1")

    assert found
    assert (found.slot, found.revision, found.made, found.ordinal, found.decided) == (
        "hero",
        7,
        6,
        4,
        "withdrawn (ordinal 4): A complaint.",
    )
    assert parse_head(record, "other", "a-1") is None
    assert parse_head(record, "leadart", "a-2") is None
    assert parse_head(replace(record, value=None), "leadart", "a-1") is None
    assert parse_head(replace(record, value=b"?"), "leadart", "a-1") is None


def test_a_request_says_whether_an_operator_holds_it() -> None:
    """A pause that fits it, a cancel from below its offset, until it has its end; a decision is never held."""
    lane = Selector(lane=names.REQUESTED)
    paused = Controls((Pause(match=lane, since=9_000),))
    cancelled = paused.cancel(Selector(source="/cms"), {names.REQUESTED: 43}, 9_500)
    later = Controls((), (Cancel(match=lane, below={names.REQUESTED: 42}, at=9_500),))
    decision = Event(id="w", source="/cms", type=names.ARTICLE_WITHDRAWN, data={"article": {"id": "a-1"}})
    headers, value = write(decision)
    found = [
        parse_lane_record(RECORD, retry_policy(SETTINGS), WAITING, Holds(each)) for each in (paused, cancelled, later)
    ]
    done = [parse_lane_record(RECORD, retry_policy(SETTINGS), DONE, Holds(each)) for each in (paused, cancelled)]
    written = replace(RECORD, headers=tuple(headers), value=value)
    word = parse_lane_record(written, retry_policy(SETTINGS), WAITING, Holds(paused))

    assert [(one.paused_ms, one.called_off) for one in found] == [(9_000, False), (0, True), (0, False)]
    assert [(one.paused_ms, one.called_off) for one in done] == [(0, False)] * 2
    assert (word.kind, word.slot, word.paused_ms) == ("withdrawn", None, 0)


def test_a_choice_of_no_picture_lets_go() -> None:
    """`picture: null` lets go of a choice; a picture of the site's own, and one of leadart's, do not."""
    bodies: list[dict[str, Any]] = [{}, {"external": True}, {"picture": {"sha256": "a" * 64}}]
    found = []
    for body in bodies:
        data = {"article": {"id": "a-1", "revision": 7}, **body}
        headers, value = write(Event(id="c", source="/cms", type=names.IMAGE_CHOSEN, data=data))
        record = replace(RECORD, headers=tuple(headers), value=value)
        found.append(parse_lane_record(record, retry_policy(SETTINGS), DONE, Holds()).lets_go)

    assert found == [True, False, False]


FIELDS = st.sampled_from(
    [
        *(
            "article",
            "id",
            "revision",
            "slot",
            "request_id",
            "pictures",
            "url",
            "key",
            "sha256",
            "bytes",
            "recipe",
            "reason",
        ),
        *("renditions", "name", "media_type", "ordinal", "chosen", "rule", "message", "held_until", "superseded_by"),
        *("output", "external", "picture", "retryable", "attempts", "url_expires"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**60) | st.floats() | st.sampled_from(["a-1", "", "\x00"])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6))
TYPES = st.sampled_from([*names.REQUESTS, names.IMAGE_READY, names.IMAGE_HELD, names.IMAGE_SUPERSEDED, "x"])


@given(TYPES, JSON, st.none() | st.binary(max_size=8) | st.just(b"a-1"))
def test_nothing_that_others_wrote_stops_a_trace(event_type: str, data: Any, key: bytes | None) -> None:
    """Whatever lies in a lane or among the outcomes is told as far as it can be read, and explained."""
    headers, value = write(Event(id="r-1", source="/cms", type=event_type, data=json.dumps(data).encode()))
    record = replace(RECORD, key=key, headers=tuple(headers), value=value)
    event = parse_announced(record)
    request = parse_lane_record(record, retry_policy(SETTINGS), DONE, Holds())
    outcomes = (parse_outcome(event),) if event else ()
    found = timeline(requests=(request,), outcomes=outcomes)

    ArticleFilter("a-1").matches(record)
    RequestFilter("r-1").matches(record)
    assert explain(found, 0).sentence
    assert trace_rows(found)
    assert json.dumps(trace_values(found))
