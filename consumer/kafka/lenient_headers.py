"""Header names that are not UTF-8: C clients can write them, and aiokafka's parser fails on them for ever.

aiokafka unpacks records while it hands them out, and a batch is parsed from its start at every attempt: one such header
would bar the way to every record behind it. So the first one that is met switches this process to aiokafka's own
Python parser, with names decoded leniently. That is slower, and reads everything.
"""

from __future__ import annotations

from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_strict = True


class _Lenient(bytearray):
    """A buffer whose slices decode whatever they hold; bytes that are no UTF-8 are escaped in hexadecimal."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        part = super().__getitem__(index)
        return _Lenient(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for typing only
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Lenient(self._buffer)


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]  # likewise
    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        return _LenientBatch(data) if batch is not None and batch.magic >= 2 else batch


def _records(data: bytes) -> Any:
    return cast("Any", MemoryRecords if _strict else _LenientRecords)(data)


def install() -> None:
    """Let the fetcher ask us for its parser; until `read_leniently` it gets the one it always had."""
    fetcher.MemoryRecords = _records


def read_leniently() -> None:
    """Parse leniently from here on, in the whole process."""
    global _strict  # noqa: PLW0603 - the fetcher makes its parsers itself, so there is nothing to hand a value to
    _strict = False
