from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, TopicAuthorizationFailedError

from consumer.errors import Fatal
from consumer.kafka import lenient_headers
from consumer.kafka.stretches import read_stretches

if TYPE_CHECKING:
    from collections.abc import Collection

WELL, BROKEN = TopicPartition("requested", 0), TopicPartition("requested", 1)


class Found(NamedTuple):
    offset: int


class Consumer:
    """Ten records in each partition; whoever reads one of those in `errors` meets its error."""

    def __init__(self, **errors: Exception) -> None:
        self._errors = errors
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def assign(self, tps: Collection[TopicPartition]) -> None:
        self._positions = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self._paused.update(tps)

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Found]]:
        assert timeout_ms
        batches: dict[TopicPartition, list[Found]] = {}
        for tp in tps or self._positions:
            if tp in self._paused:
                continue
            if error := self._errors.get(f"p{tp.partition}"):
                raise error
            batches[tp] = [Found(offset) for offset in range(self._positions[tp], 10)]
            self._positions[tp] = 10
        return batches


async def read(consumer: Consumer, seconds: float = 5.0) -> dict[TopicPartition, tuple[list[int], int]]:
    spans = {WELL: range(2, 8), BROKEN: range(10)}
    found: dict[TopicPartition, Any] = await read_stretches(consumer, spans, seconds)
    return {tp: ([record.offset for record in stretch.records], stretch.stop) for tp, stretch in found.items()}


async def test_each_span_is_read_and_no_more() -> None:
    """Of what comes only the span's own records are kept, and it says how far it read."""
    assert await read(Consumer()) == {WELL: (list(range(2, 8)), 8), BROKEN: (list(range(10)), 10)}


async def test_a_broken_batch_costs_one_partition() -> None:
    """What cannot be read in one partition leaves that one unknown, and no record of another is lost or doubled."""
    found = await read(Consumer(p1=CorruptRecordException("broken")))

    assert found == {WELL: (list(range(2, 8)), 8), BROKEN: ([], 0)}


async def test_time_that_is_up_leaves_the_rest_unknown() -> None:
    """Without time nothing is read, and it says so."""
    assert await read(Consumer(), 0.0) == {WELL: ([], 2), BROKEN: ([], 0)}


async def test_a_header_that_is_no_text_switches_to_the_lenient_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header name that is not UTF-8 is read leniently from the second attempt on, and nothing is lost."""
    consumer = Consumer(p1=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"))
    monkeypatch.setattr(lenient_headers, "read_leniently", consumer._errors.clear)

    assert await read(consumer) == {WELL: (list(range(2, 8)), 8), BROKEN: (list(range(10)), 10)}


async def test_a_missing_right_is_named() -> None:
    """Who may not read a topic is told which."""
    with pytest.raises(Fatal, match="no right to topic requested"):
        await read(Consumer(p1=TopicAuthorizationFailedError("requested")))
