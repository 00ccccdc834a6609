"""What controls say of a request, and how they are kept on the bus."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.delivery.controls import (
    MAX_CANCELS,
    NO_CONTROLS,
    Cancel,
    Controls,
    Pause,
    Selector,
    Traits,
    controls_key,
    read_controls,
)
from consumer.delivery.replay_origin import BLOCK
from consumer.jobs import Record
from schemas import ImageRequested

LANES = ("requested", "backfill", "retry-1m")
NAMES = st.sampled_from(["", "a", "b"])


def traits(**changed: Any) -> Traits:
    usual: dict[str, Any] = {"topic": "backfill", "offset": 10, "lane": "backfill", "section": "a", "source": "/cms"}
    return Traits(**{**usual, "replay": "r1", **changed})


SELECTORS = (
    st.fixed_dictionaries(
        {},
        optional={
            "lane": st.sampled_from(LANES),
            "section": st.sampled_from("ab"),
            "source": st.sampled_from(["/cms", "/b"]),
            "replay": st.sampled_from(["r1", "r2"]),
        },
    )
    .filter(bool)
    .map(Selector.model_validate)
)
TRAITS = st.builds(
    Traits,
    topic=st.sampled_from(LANES[:2]),
    offset=st.integers(0, 20),
    lane=st.sampled_from(LANES),
    section=st.sampled_from(["a", "b", None]),
    source=st.sampled_from(["/cms", "/b"]),
    replay=st.sampled_from(["r1", "r2", None]),
)
PAUSES = st.builds(Pause, match=SELECTORS, since=st.integers(0, 2**40))
CANCELS = st.builds(
    Cancel, match=SELECTORS, below=st.dictionaries(st.sampled_from(LANES), st.integers(0, 20)), at=st.integers(0, 2**40)
)
CONTROLS = st.builds(Controls, st.lists(PAUSES, max_size=4).map(tuple), st.lists(CANCELS, max_size=4).map(tuple))


@given(CONTROLS)
def test_what_is_written_is_read(controls: Controls) -> None:
    """A record gives back the controls it was made of."""
    assert read_controls(controls.encode()) == controls


@given(CONTROLS, TRAITS)
def test_a_request_is_judged_by_each_that_names_it(controls: Controls, request: Traits) -> None:
    """All that a control names must be the request's; cancels go by the offset."""

    def named(match: Selector) -> bool:
        own: dict[str, set[str | None]] = {"lane": {request.topic, request.lane}, "section": {request.section}}
        own |= {"source": {request.source}, "replay": {request.replay}}
        return all(value in own[criterion] for criterion, value in match.named.items())

    off = any(named(one.match) and request.offset < one.below.get(request.topic, 0) for one in controls.cancels)
    held = [one.since for one in controls.pauses if named(one.match)]
    pause = controls.pause_of(request)

    assert (controls.cancel_of(request) is not None) == off
    assert (pause and pause.since) == (min(held) if held else None)


@given(CONTROLS, SELECTORS, st.integers(0, 2**40))
def test_pausing_and_resuming_are_idempotent(controls: Controls, match: Selector, now: int) -> None:
    """A second pause keeps the first one's time; resuming leaves all others."""
    paused = controls.pause(match, now)
    resumed = paused.resume(match)

    assert paused.pause(match, now + 1) == paused
    assert any(pause.match == match for pause in paused.pauses)
    assert resumed == resumed.resume(match) == controls.resume(match)
    assert resumed.cancels == controls.cancels


def test_a_second_cancel_reaches_further() -> None:
    """Called off again, requests published since are called off too, and one entry remains."""
    match = Selector(replay="r1")
    once = NO_CONTROLS.cancel(match, {"backfill": 10}, 1)
    twice = once.cancel(match, {"backfill": 11}, 2)

    assert once.cancel_of(traits()) is None
    assert twice.cancel_of(traits()) is not None
    assert len(twice.cancels) == 1


def test_the_latest_cancels_are_kept() -> None:
    """The record stays far below a record's size, however many replays were called off."""
    controls = NO_CONTROLS
    for number in range(MAX_CANCELS + 1):
        controls = controls.cancel(Selector(replay=f"r{number}"), {"backfill": 11}, number)

    assert len(controls.cancels) == MAX_CANCELS
    assert controls.cancel_of(traits(replay="r0")) is None
    assert controls.cancel_of(traits(replay="r1")) is not None


def test_a_retried_request_is_of_its_first_lane() -> None:
    """A pause or cancel of the backfill holds for those of its requests that wait in a retry lane."""
    waiting = traits(lane="retry-1m")

    assert NO_CONTROLS.pause(Selector(lane="backfill"), 1).pause_of(waiting) is not None
    cancelled = NO_CONTROLS.cancel(Selector(lane="backfill"), {"backfill": 11, "retry-1m": 0}, 1)
    assert cancelled.cancel_of(waiting) is not None


def test_a_lane_is_not_read_only_if_all_of_it_is_paused() -> None:
    """A pause of one section in a lane leaves the others to be read."""
    assert NO_CONTROLS.pause(Selector(lane="backfill"), 1).lane_paused("backfill")
    assert not NO_CONTROLS.pause(Selector(lane="backfill", section="a"), 1).lane_paused("backfill")
    assert not NO_CONTROLS.pause(Selector(section="a"), 1).lane_paused("backfill")


def test_traits_are_those_of_the_record_as_published() -> None:
    """A retry is told by its original's place and replay, and by the lane it was read from."""
    block = tuple(zip(BLOCK, (b"r1", b"requested", b"0", b"3"), strict=True))
    original = Record("backfill", 0, 10, b"a", b"", block, 1)
    read = Record("retry-1m", 0, 99, b"a", b"", block, 2)

    article = {"id": "a-1", "revision": 1, "headline": "Storm", "section": "a"}
    request = ImageRequested.model_validate({"article": article})

    assert Traits.of(read, original, request, "/cms") == traits(lane="retry-1m")


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"\xff", b'{"pauses": 1}', b"{}", b"[" * 100_000, b'{"pauses": [1e999]}']
)
def test_an_unreadable_record_controls_nothing(value: bytes) -> None:
    """It is said to be unreadable; no request is called off or held by a guess."""
    found = read_controls(value)

    assert (found.pauses, found.cancels) == ((), ())
    assert found.unread == (1 if value else 0)


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda tree: json.dumps(tree).encode())
)
def test_any_record_can_be_read(value: bytes) -> None:
    """Whatever stands under the key: no owner ends of it."""
    found = read_controls(value)

    assert (found.cancel_of(traits()), found.pause_of(traits())) == (None, None)


def test_a_newer_versions_fields_are_ignored_and_its_criteria_are_not() -> None:
    """A field beside the criteria changes nothing; a criterion that is not known makes the entry apply to nothing."""
    known = {"match": {"section": "a"}, "since": 5, "by": "ann"}
    newer = {"match": {"section": "a", "style": "oil"}, "since": 5}
    found = read_controls(json.dumps({"pauses": [known], "cancels": [], "labels": {}}).encode())
    unknown = read_controls(json.dumps({"pauses": [newer], "cancels": []}).encode())

    assert found == NO_CONTROLS.pause(Selector(section="a"), 5)
    assert unknown == Controls(unread=1)


@pytest.mark.parametrize("match", [{}, {"section": ""}, {"section": None}, {"section": 5}, {"section": "a" * 1001}])
def test_a_control_for_everything_is_refused(match: dict[str, Any]) -> None:
    """A control names what it is for."""
    with pytest.raises(ValidationError):
        Selector.model_validate(match)


def test_the_key_is_no_heads() -> None:
    """Groups that share the topic have controls of their own."""
    assert controls_key("grüppe") == '["grüppe", "controls"]'.encode()


def test_a_section_is_meant_however_it_is_written() -> None:
    """A CMS writes Sports, an operator sports; one of them may compose its accents."""
    match = Selector(section="sports")

    assert match.fits(traits(section="Sports"))
    assert not match.fits(traits(section=None))
    assert not match.fits(traits(section="sport"))
    assert Selector(section="\u00c9conomie").fits(traits(section="e\u0301conomie"))


def test_a_control_is_named_however_its_section_is_written() -> None:
    """What `sports` paused, `Sports` resumes and does not pause twice; a cancel replaces the one like it."""
    paused = NO_CONTROLS.pause(Selector(section="sports", lane="backfill"), 1)
    again = Selector(section="Sports", lane="backfill")
    cancelled = NO_CONTROLS.cancel(Selector(section="sports"), {"backfill": 5}, 1)

    assert paused.pause(again, 2) == paused
    assert paused.resume(again) == NO_CONTROLS
    assert paused.resume(Selector(section="Sports")) == paused
    assert len(cancelled.cancel(Selector(section="SPORTS"), {"backfill": 11}, 2).cancels) == 1


def test_a_cancel_is_history_once_all_below_it_is_finished() -> None:
    """Its requests may wait in their own lane or in a retry lane; a lane that the group knows nothing of counts."""
    cancel = Cancel(match=Selector(replay="r1"), below={"backfill": 10, "retry-1m": 3}, at=1)

    assert cancel.may_hold({"backfill": 10, "retry-1m": 2})
    assert cancel.may_hold({"backfill": 9, "retry-1m": 3})
    assert cancel.may_hold({"backfill": 10})
    assert not cancel.may_hold({"backfill": 10, "retry-1m": 3})
