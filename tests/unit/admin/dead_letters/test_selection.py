"""Which letters an operator means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.dead_letters.dead_letter import ActionMark, Coordinates, DeadLetterRecord, DeadLetterState
from consumer.admin.dead_letters.selection import Selection, parse_moment
from consumer.admin.dead_letters.topic import DeadLetterStates
from consumer.jobs import Record

NOW = datetime(2031, 5, 17, 8, 0, tzinfo=UTC)
KEPT = NOW - timedelta(hours=1)
LETTER = DeadLetterRecord(
    Coordinates(3, 7),
    int(KEPT.timestamp() * 1000),
    Record("article-image-requested", 3, 5, b"key", b'{"article": {"id": "a-1"}}', (), 1),
    {"leadart-reason": "store_unavailable"},
)

TAKEN = [
    Selection(),
    Selection(reason="store_unavailable"),
    Selection(topics=frozenset({"article-image-requested", "other"})),
    Selection(article="a-1"),
    Selection(since=KEPT),
    Selection(until=KEPT + timedelta(milliseconds=1)),
    Selection(coordinates=frozenset({Coordinates(3, 7)})),
    Selection("store_unavailable", frozenset({"article-image-requested"}), "a-1", KEPT, NOW),
]
LEFT = [
    Selection(reason="internal"),
    Selection(topics=frozenset({"article-image-backfill"})),
    Selection(article="key"),
    Selection(since=KEPT + timedelta(milliseconds=1)),
    Selection(until=KEPT),
    Selection(coordinates=frozenset({Coordinates(3, 8)})),
    Selection(reason="store_unavailable", article="a-2"),
]


@pytest.mark.parametrize("selection", TAKEN)
def test_a_letter_that_meets_all_conditions_is_meant(selection: Selection) -> None:
    """Reason, lane, article, time (from `since` on, before `until`) and coordinates each may be named."""
    assert selection.takes(LETTER)


@pytest.mark.parametrize("selection", LEFT)
def test_one_condition_that_is_not_met_leaves_it(selection: Selection) -> None:
    """All conditions count, and the article is the request's own, not the record key, where it names one."""
    assert not selection.takes(LETTER)


def test_only_partitions_that_can_hold_a_letter_are_read() -> None:
    """Named letters are looked for where they lie; a partition that is not there is not asked for."""
    named = Selection(coordinates=frozenset({Coordinates(4, 1), Coordinates(1, 9), Coordinates(1, 2)}))

    assert list(named.partitions(3)) == [1]
    assert list(Selection(reason="internal").partitions(3)) == [0, 1, 2]
    assert Selection().anything
    assert not named.anything


MOMENTS = [
    ("2h", NOW - timedelta(hours=2)),
    ("90s", NOW - timedelta(seconds=90)),
    ("30m", NOW - timedelta(minutes=30)),
    ("7d", NOW - timedelta(days=7)),
    ("99999w", NOW - timedelta(weeks=99999)),
    ("2031-05-17T08:00:00Z", NOW),
    ("2031-05-17T10:00:00+02:00", NOW),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_a_moment_is_an_age_or_iso_with_a_zone(text: str, moment: datetime) -> None:
    """An age counts back from now; a time of day says in which zone."""
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "2031-05-17T08:00:00", "2031-05-17", "2 hours", "-2h", "h", "100000w", "1\u0662h"]
)
def test_any_other_moment_is_refused(text: str) -> None:
    """A time without a zone would mean another hour on each machine, so it is not guessed."""
    with pytest.raises(ValueError, match="with its zone"):
        parse_moment(text, NOW)


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from([DeadLetterState.REDRIVEN, DeadLetterState.PURGED]))),
)
def test_states_are_those_of_the_last_marks(start: int, marks: list[tuple[int, DeadLetterState]]) -> None:
    """Each offset of the span has the state of its last mark, else it is open; marks of others do no harm."""
    span = range(start, start + 40)
    states = DeadLetterStates(span)
    for of, state in marks:
        states.note(ActionMark(of, state, ""))

    assert [states[offset] for offset in span] == [dict(marks).get(offset, DeadLetterState.OPEN) for offset in span]
