"""`consumer.gateway.board.position`: event ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ports import Partition
from consumer.gateway.board.position import TOPIC_LETTERS, StreamPosition, parse_position

partitions = st.builds(Partition, st.sampled_from(sorted(TOPIC_LETTERS.values())), st.integers(0, 999))
positions = st.dictionaries(partitions, st.integers(1, 2**62), min_size=1, max_size=40).map(StreamPosition)


@given(positions)
def test_an_event_id_is_read_as_it_was_written(position: StreamPosition) -> None:
    """A position survives the way to a client and back, as one line of plain letters."""
    text = position.encode()
    assert parse_position(text).encode() == text
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(positions, partitions, st.integers(0, 2**62))
def test_it_only_grows(position: StreamPosition, partition: Partition, offset: int) -> None:
    """A record that comes again takes nothing back."""
    before = position.next_offset(partition) or 0
    position.advance(partition, offset)
    assert position.next_offset(partition) == max(before, offset + 1)
    assert position.has(partition, offset)


@pytest.mark.parametrize("text", ["", "x", "r0-", "r0-1_", "r0-1;o0-2", "q0-1", "r0--1", "r0-1\\n", "r0-1" * 9_000])
def test_anything_else_is_no_event_id(text: str) -> None:
    """It is refused in a sentence, however long it is."""
    with pytest.raises(ValueError, match="no event id of this gateway"):
        parse_position(text)


def test_what_is_before_another() -> None:
    """A position is before another if that has more of any partition, also of one that it does not name."""
    requests, outcomes = Partition(TOPIC_LETTERS["r"], 0), Partition(TOPIC_LETTERS["o"], 0)
    position = StreamPosition({requests: 5})
    assert not position.is_before(StreamPosition({requests: 5}))
    assert position.is_before(StreamPosition({requests: 6}))
    assert position.is_before(StreamPosition({outcomes: 1}))
    assert not position.is_before(StreamPosition())
