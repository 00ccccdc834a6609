"""How much is settled in one transaction: enough to be quick, little enough to be answered within its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from consumer.delivery.ports import RecordResult
    from consumer.jobs import Record

log = structlog.get_logger(__name__)

MOST_RECORDS = 200
MOST_BYTES = 8_000_000
"""Dead letters hold whole originals: two hundred of the largest are 200 MB, which no broker takes in seconds."""


class BatchLimit:
    """The bound on one transaction: halved by each that failed for its size, doubled by each that went through."""

    def __init__(self) -> None:
        self._records = MOST_RECORDS
        self._bytes = MOST_BYTES

    def admits(self, settlement: RecordResult, records: int, size: int) -> bool:
        """True if the settlement may join so many others whose letters have so many bytes; the first always may."""
        return not records or (records < self._records and size + settlement.size <= self._bytes)

    def halve(self, records: int) -> None:
        """Try half of what was tried, down to one record."""
        self._records = max(1, records // 2)

    def double(self) -> None:
        """Dare more again, up to the usual."""
        self._records = min(2 * self._records, MOST_RECORDS)


def instead_of(record: Record, settlement: RecordResult) -> RecordResult:
    """Return what is settled in place of letters that the broker never takes. Raises `Fatal` where nothing is left."""
    if settlement.fallback is None:
        raise Fatal(
            Reason.ANNOUNCEMENT_REFUSED,
            f"The broker refuses even a short outcome for {record.topic}:{record.partition} offset {record.offset}. "
            "Check the outcome topic's max.message.bytes and this worker's rights: leadart doctor.",
        )
    log.error("announcement_refused", topic=record.topic, shard=record.partition, offset=record.offset)
    return settlement.fall_back()
