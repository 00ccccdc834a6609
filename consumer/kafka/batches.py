"""The batches of a fetch, within bounds, behind the interface that aiokafka's fetcher takes its records from.

One small batch may unpack to more than the memory there is, and one record of it may hold millions of headers. What is
beyond the bounds, or cannot be unpacked, is never read: a record stands for it whose value is a `NotRead`, so that its
reader can go on.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, SupportsIndex

from aiokafka.record.default_records import (
    DefaultRecordBase,
    DefaultRecordBatch,
    _DefaultRecordBatchPy,
    _DefaultRecordPy,
)
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

from consumer.kafka.unpacking import DAMAGE, TooLarge, unpack
from schemas import Reason

RECORDS: Final = 100_000
"""Most records of a batch that is read."""
RECORD_BYTES: Final = 1024 * 1024
"""Largest record that is read: no topic of leadart's takes a larger one."""
HEADERS: Final = 1000
"""Most headers of a record that is read: each costs fifty times as much memory as in its batch."""
KEY_BYTES: Final = 1024
"""Longest key that is kept of a record that is not read."""

SMALL_BYTES: Final = 2 * HEADERS
"""A record of this size cannot have too many headers."""

_HEADER: Final = DefaultRecordBase.HEADER_STRUCT.size
_CODEC_BYTE: Final = DefaultRecordBase.ATTRIBUTES_OFFSET + 1
_COUNT: Final = _HEADER - 4
_LEGACY_MAGIC, _LEGACY_CODEC = 16, 17
_LEGACY_KEY: Final = {0: 18, 1: 26}


class NotRead(bytes):
    """The value of a record that stands for what was not read: a sentence that says what, and why."""

    reason = Reason.TOO_LARGE


class NotUnpacked(NotRead):
    """The same for a batch that is not compressed as it says."""

    reason = Reason.NOT_JSON


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How much is read: bytes of one batch once unpacked. `tolerant`: of header names that are not UTF-8."""

    batch_bytes: int
    tolerant: bool = False


class BoundedRecords(_MemoryRecordsPy):  # type: ignore[misc]  # final for typing only
    """What a fetch returned of one partition."""

    def __init__(self, data: bytes, limits: ReadingLimits) -> None:
        super().__init__(data)
        self._limits = limits

    def next_batch(self) -> Any:
        """Return the next batch, None after the last."""
        data = self._next_slice
        batch = super().next_batch()
        return None if batch is None else _BoundedBatch(batch, data, self._limits)


class _BoundedBatch:
    """One batch; its checksum is that of the original."""

    def __init__(self, batch: Any, data: memoryview, limits: ReadingLimits) -> None:
        self._batch = batch
        self._data = data
        self._limits = limits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return self._legacy_records() if self._batch.producer_id is None else self._records()
        except TooLarge:
            return iter([self._stand_in(self._too_large())])
        except DAMAGE as error:
            # Its checksum is right: it was sent like this, and a broker that reads less of it took it.
            return iter([self._stand_in(self._damaged(error))])

    def _records(self) -> Iterator[Any]:
        batch, data = self._batch, self._data
        payload = unpack(batch.compression_type, bytes(data[_HEADER:]), self._limits.batch_bytes)
        plain = bytearray(data[:_HEADER]) + payload
        plain[_CODEC_BYTE] &= ~DefaultRecordBase.CODEC_MASK
        left_out = _oversized(plain)
        _remove(left_out, plain)
        kept = (_TolerantBatch if self._limits.tolerant else DefaultRecordBatch)(plain)
        if not left_out:
            return iter(kept)
        records = (record for record in kept)  # may be iterated over once only
        stand_ins = [_not_read(batch.base_offset + each.delta, batch.max_timestamp, each.key) for each in left_out]
        return heapq.merge(records, stand_ins, key=lambda record: record.offset)

    def _legacy_records(self) -> Iterator[Any]:
        """A message of the formats before headers: it holds one record, or is the wrapper of a compressed batch."""
        magic, codec = self._data[_LEGACY_MAGIC], self._data[_LEGACY_CODEC] & DefaultRecordBase.CODEC_MASK
        (key_bytes,) = struct.unpack_from(">i", self._data, _LEGACY_KEY[magic])
        packed = self._data[_LEGACY_KEY[magic] + 4 + max(0, key_bytes) + 4 :]
        unpack(codec, bytes(packed), self._limits.batch_bytes)
        return (
            _not_read(record.offset, record.timestamp, record.key) if _exceeds(len(record.value or b"")) else record
            for record in self._batch
        )

    def _stand_in(self, said: NotRead) -> Any:
        """Return the record that stands for the whole batch, at its last offset: whoever reads is before that."""
        timestamp = 0 if self._batch.producer_id is None else self._batch.max_timestamp
        return _DefaultRecordPy(self._batch.next_offset - 1, timestamp, 0, None, said, [])

    def _too_large(self) -> NotRead:
        said = (
            f"The batch {self._where} unpacks to more than {self._limits.batch_bytes} bytes or {RECORDS} records and "
            "was not read: send smaller ones. To read one of many bytes after all, raise "
            "LEADART_KAFKA__MAX_BATCH_BYTES and replay these offsets."
        )
        return NotRead(said.encode())

    def _damaged(self, error: BaseException) -> NotUnpacked:
        said = (
            f"The batch {self._where} cannot be unpacked and was not read ({error}): its publisher's compression is "
            "at fault. Send its requests again, by another client or uncompressed."
        )
        return NotUnpacked(said.encode())

    @property
    def _where(self) -> str:
        last = self._batch.next_offset - 1
        first = last if self._batch.producer_id is None else self._batch.base_offset
        return f"at offsets {first} to {last}" if first < last else f"at offset {last}"


class _Oversized(NamedTuple):
    """A record beyond the bounds: its place in the batch, its offset from the batch's first, and its key."""

    start: int
    stop: int
    delta: int
    key: bytes | None


def _oversized(batch: bytearray) -> list[_Oversized]:
    """Find the records beyond the bounds. Raises `TooLarge` for too many records."""
    if _count(batch) > RECORDS:
        raise TooLarge
    found, position = list[_Oversized](), _HEADER
    while position < len(batch):
        length, start = decode_varint(batch, position)
        if length > SMALL_BYTES:
            delta, key, headers = _outline(batch, start)
            if _exceeds(length) or headers > HEADERS:
                found.append(_Oversized(position, start + length, delta, key))
        position = start + max(1, length)
    return found


def _count(batch: bytearray) -> int:
    count: int
    (count,) = struct.unpack_from(">i", batch, _COUNT)
    return count


def _outline(batch: bytearray, start: int) -> tuple[int, bytes | None, int]:
    """Return a record's offset from the batch's first, its key, and the number of its headers."""
    _, position = decode_varint(batch, start + 1)
    delta, position = decode_varint(batch, position)
    size, position = decode_varint(batch, position)
    key = None if size < 0 else bytes(batch[position : position + min(size, KEY_BYTES + 1)])
    size, position = decode_varint(batch, position + max(0, size))
    headers, _ = decode_varint(batch, position + max(0, size))
    return delta, key, headers


def _remove(left_out: Sequence[_Oversized], batch: bytearray) -> None:
    for each in reversed(left_out):
        del batch[each.start : each.stop]
    struct.pack_into(">i", batch, _COUNT, _count(batch) - len(left_out))


def _exceeds(size: int) -> bool:
    return size > RECORD_BYTES


def _not_read(offset: int, timestamp: int, key: bytes | None) -> Any:
    said = (
        f"The record has over {RECORD_BYTES} bytes or over {HEADERS} headers and was not read: send only the request."
    )
    kept = key if key is None or len(key) <= KEY_BYTES else None
    return _DefaultRecordPy(offset, timestamp, 0, kept, NotRead(said.encode()), [])


class _TolerantBuffer(bytearray):
    """A buffer whose slices decode whatever they hold; bytes that are not UTF-8 are escaped in hexadecimal."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        part = super().__getitem__(index)
        return _TolerantBuffer(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for typing only
    """aiokafka's own Python parser: slower, and it reads everything."""

    def __init__(self, plain: bytearray) -> None:
        super().__init__(plain)
        self._buffer = _TolerantBuffer(plain)
