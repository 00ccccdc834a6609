"""From aiokafka's records to ours, whatever their header names hold.

C clients can write header names that are not UTF-8. aiokafka parses a batch from its start while it hands records out,
and fails on such a name every time: one would block every record behind it. So the first one switches this process to
aiokafka's own Python parser with names decoded tolerantly, which is slower and reads everything.
"""

from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.structs import ConsumerRecord

from consumer.jobs import Record

_strict = True


def to_record(record: ConsumerRecord[bytes, bytes]) -> Record:
    """Return aiokafka's record as ours."""
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        timestamp_ms=record.timestamp,
    )


def install_parser() -> None:
    """Make aiokafka's fetcher take its parser from here: its own one, until `tolerate_header_names`."""
    fetcher.MemoryRecords = _parser


def tolerate_header_names() -> None:
    """From here on, in the whole process, escape bytes of header names that are not UTF-8 instead of failing."""
    global _strict  # noqa: PLW0603 - the fetcher makes its parsers itself, so there is nothing to hand a value to
    _strict = False


def _parser(data: bytes) -> Any:
    return cast("Any", MemoryRecords if _strict else _TolerantRecords)(data)


class _TolerantBuffer(bytearray):
    """A buffer whose slices decode whatever they hold; bytes that are not UTF-8 are escaped in hexadecimal."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        part = super().__getitem__(index)
        return _TolerantBuffer(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for typing only
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _TolerantBuffer(self._buffer)


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # final for typing only
    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        return _TolerantBatch(data) if batch is not None and batch.magic >= 2 else batch
