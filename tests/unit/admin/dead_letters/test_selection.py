"""Which dead letters an operator means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.dead_letters.dead_letter import ActionMark, Coordinates, DeadLetterRecord, DeadLetterState
from consumer.admin.dead_letters.selection import Selection
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

MATCHING = [
    Selection(),
    Selection(reason="store_unavailable"),
    Selection(topics=frozenset({"article-image-requested", "other"})),
    Selection(article="a-1"),
    Selection(since=KEPT),
    Selection(until=KEPT + timedelta(milliseconds=1)),
    Selection(coordinates=frozenset({Coordinates(3, 7)})),
    Selection("store_unavailable", frozenset({"article-image-requested"}), "a-1", KEPT, NOW),
]
OTHERS = [
    Selection(reason="internal"),
    Selection(topics=frozenset({"article-image-backfill"})),
    Selection(article="key"),
    Selection(since=KEPT + timedelta(milliseconds=1)),
    Selection(until=KEPT),
    Selection(coordinates=frozenset({Coordinates(3, 8)})),
    Selection(reason="store_unavailable", article="a-2"),
]


@pytest.mark.parametrize("selection", MATCHING)
def test_a_letter_that_meets_all_conditions_matches(selection: Selection) -> None:
    """Reason, lane, article, time (from `since`, before `until`) and coordinates can each be given."""
    assert selection.matches(LETTER)


@pytest.mark.parametrize("selection", OTHERS)
def test_a_condition_that_is_not_met_excludes_it(selection: Selection) -> None:
    """All conditions count, and the article is the request's own, not the record key, where it names one."""
    assert not selection.matches(LETTER)


def test_only_partitions_that_can_hold_a_letter_are_read() -> None:
    """Named letters are looked up in their partitions; a partition that does not exist is not read."""
    named = Selection(coordinates=frozenset({Coordinates(4, 1), Coordinates(1, 9), Coordinates(1, 2)}))

    assert list(named.partitions(3)) == [1]
    assert list(Selection(reason="internal").partitions(3)) == [0, 1, 2]
    assert Selection().is_everything
    assert not named.is_everything


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from([DeadLetterState.REDRIVEN, DeadLetterState.PURGED]))),
)
def test_states_are_those_of_the_last_marks(start: int, marks: list[tuple[int, DeadLetterState]]) -> None:
    """Each offset of the span has the state of its last mark, else it is open; marks of others do no harm."""
    span = range(start, start + 40)
    states = DeadLetterStates(span)
    for of, state in marks:
        states.apply(ActionMark(of, state, ""))

    assert [states[offset] for offset in span] == [dict(marks).get(offset, DeadLetterState.OPEN) for offset in span]
