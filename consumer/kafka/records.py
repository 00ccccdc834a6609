"""From aiokafka's records to ours, within the bounds of `batches`, and whatever their header names hold.

C clients can write header names that are not UTF-8. aiokafka parses a batch from its start while it hands records out,
and fails on such a name every time: one would block every record behind it. So the first one switches this process to
aiokafka's own Python parser with names decoded tolerantly.
"""

from dataclasses import replace
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord

from consumer.jobs import Record
from consumer.kafka.batches import BoundedRecords, NotRead, ReadingLimits

_limits = ReadingLimits(batch_bytes=0)


def to_record(record: ConsumerRecord[bytes, bytes]) -> Record:
    """Return aiokafka's record as ours."""
    value: bytes | None = record.value
    if isinstance(value, NotRead):
        return replace(_as_ours(record, None), not_read=value.decode(), not_read_reason=value.reason)
    return _as_ours(record, value)


def _as_ours(record: ConsumerRecord[bytes, bytes], value: bytes | None) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=value,
        headers=tuple(record.headers),
        timestamp_ms=record.timestamp,
    )


def install_parser(batch_bytes: int) -> None:
    """From here on, have aiokafka's fetchers in this process read no batch that unpacks to more than that."""
    global _limits  # noqa: PLW0603 - the fetcher makes its parsers itself, so there is nothing to hand a value to
    _limits = replace(_limits, batch_bytes=batch_bytes)
    fetcher.MemoryRecords = _parser


def tolerate_header_names() -> None:
    """From here on, in the whole process, escape bytes of header names that are not UTF-8 instead of failing."""
    global _limits  # noqa: PLW0603 - as above
    _limits = replace(_limits, tolerant=True)


def _parser(data: bytes) -> Any:
    return BoundedRecords(data, _limits)
