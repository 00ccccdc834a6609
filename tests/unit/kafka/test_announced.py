from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.announced import parse_announced
from tests.support.announcements import announced, record

READY = {"pictures": [{"url": "https://p/1.png"}, {"url": "https://p/2.png"}], "seconds": {"total": 3.21}}


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        ("ready", READY, "ready: a-1 revision 7, 3.2 s"),
        ("ready", {**READY, "reused": True}, "ready, reused: a-1 revision 7, 3.2 s"),
        (
            "failed",
            {"reason": "invalid_field", "message": "`output.width` is odd."},
            "failed: a-1 revision 7: invalid_field: `output.width` is odd.",
        ),
        ("superseded", {"superseded_by": {"revision": 8}}, "superseded: a-1 revision 7: superseded by revision 8"),
        (
            "expired",
            {"expired_at": "2031-05-17T08:00:00Z"},
            "expired: a-1 revision 7: its expirytime 2031-05-17T08:00:00Z passed before its turn",
        ),
        ("progress", {"stage": "step", "step": 3, "of": 12}, "progress: a-1 revision 7: step 3 of 12"),
        ("progress", {"stage": "accepted"}, "progress: a-1 revision 7: accepted"),
        ("withdrawn", {"message": "A complaint."}, "withdrawn: a-1 hero revision 7: A complaint."),
        ("cancelled", {"message": "Called off."}, "cancelled: a-1 revision 7: Called off."),
        (
            "declined",
            {"rule": "courts", "message": "No pictures of trials."},
            "declined: a-1 revision 7: by rule courts: No pictures of trials.",
        ),
        (
            "held",
            {"rule": "war", "message": "Ask.", "held_until": "2031-05-17T08:00:00Z"},
            "held: a-1 revision 7: by rule war: Ask. Expires 2031-05-17T08:00:00Z unless approved.",
        ),
        ("ready", {**READY, "chosen": True}, "ready, chosen: a-1 revision 7, 3.2 s"),
        ("ready", {**READY, "chosen": True, "kept": True}, "ready, kept as chosen: a-1 revision 7, 3.2 s"),
        ("ready", {**READY, "offers": True}, "ready, offered beside the choice: a-1 revision 7, 3.2 s"),
        ("withdrawn", {"slot": None, "article": {"id": "a-1", "revision": None}}, "withdrawn: a-1 without a slot"),
        ("refined", {"later": "field"}, "refined: a-1 revision 7"),
    ],
)
def test_every_announcement_is_a_sentence(kind: str, data: dict[str, object], sentence: str) -> None:
    """Those of a newer worker too, with kinds and fields that are not known here."""
    assert announced(kind, **data).sentence == sentence


def test_letting_go_is_told_by_who_knows_of_it() -> None:
    """The outcome is that of any picture that was there before: who published the event knows better."""
    event = announced("ready", **READY, reused=True)
    told = replace(event, lets_go=True)

    assert (told.sentence, told.result) == (
        "ready, no longer chosen: a-1 revision 7, 3.2 s",
        "2 pictures, no longer chosen",
    )


@pytest.mark.parametrize(
    ("data", "result"),
    [
        ({"chosen": True, "caption": "In port."}, "2 pictures, chosen; caption: In port."),
        ({"chosen": True, "kept": True, "reused": True}, "2 pictures, kept as chosen"),
        ({"offers": True}, "2 pictures, offered beside the choice"),
        ({"reused": True}, "2 pictures, reused"),
    ],
)
def test_pictures_are_told_apart(data: dict[str, object], result: str) -> None:
    """A choice, one that a save kept, and what is offered beside it; with the caption that goes with it."""
    assert announced("ready", **READY, **data).result == result


def test_an_announcement_as_json_has_its_place_and_its_data() -> None:
    """What a script needs, under plain keys."""
    facts = announced("ready", **READY).as_json()

    assert (facts["time"], facts["kind"], facts["partition"], facts["offset"]) == (
        "1970-01-01T00:00:01.000Z",
        "ready",
        0,
        0,
    )
    assert facts["data"]["article"] == {"id": "a-1", "revision": 7}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["url", "total", "revision"]), inner),
    max_leaves=5,
)
FIELDS = ["article", "slot", "pictures", "seconds", "superseded_by", "reason", "reused", "of", "stage", "caption"]
FIELDS += ["chosen", "kept", "offers", "rule", "message", "held_until"]


@given(
    kind=st.sampled_from(["ready", "failed", "superseded", "declined", "held", "withdrawn", "progress"]),
    data=st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_data_of_any_shape_ends_no_reader(kind: str, data: dict[str, object]) -> None:
    """The contract may grow, and somebody else may write to the topic."""
    event = announced(kind, **data)

    assert event.sentence.startswith(kind)
    assert event.as_json()["data"]["request_id"] == "r-1"


def test_a_record_that_is_no_event_announces_nothing() -> None:
    """Somebody else's record on the topic ends no reader."""
    foreign = record("ready")
    assert parse_announced(type(foreign)("t", 0, 0, b"k", b"v", (), 0)) is None
