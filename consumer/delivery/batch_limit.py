"""Size limit of one transaction: large enough for throughput, small enough to commit before its timeout."""

from collections.abc import Sequence
from typing import Final

import structlog

from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.errors import Fatal
from consumer.jobs import Record
from schemas import Reason

log = structlog.get_logger(__name__)

MAX_BATCH_RECORDS: Final = 200
"""Records whose results one transaction commits, whoever writes it."""

MAX_BATCH_BYTES: Final = 8_000_000
"""Dead letters hold whole originals: two hundred of the largest are 200 MB, which no broker takes in seconds."""


class BatchLimit:
    """The limit of an owner's transactions: halved when one fails for its size, doubled when one succeeds."""

    def __init__(self) -> None:
        self._records = MAX_BATCH_RECORDS

    def admits(self, result: RecordResult, records: int, size: int) -> bool:
        """Return whether the result still fits a batch of `records` results and `size` bytes; the first always fits."""
        return not records or (records < self._records and size + result.size <= MAX_BATCH_BYTES)

    def halve(self, records: int) -> None:
        """Limit to half of the records just tried, at least one."""
        self._records = max(1, records // 2)

    def refused(self, batch: Sequence[InFlightRecord]) -> None:
        """Find the record whose result is refused by halving the batch; alone, it gets its fallback."""
        if len(batch) != 1:
            self.halve(len(batch))
            return
        (in_flight,) = batch
        if in_flight.result is not None:
            in_flight.result = instead_of(in_flight.record, in_flight.result)

    def double(self) -> None:
        """Double the limit, up to the maximum."""
        self._records = min(2 * self._records, MAX_BATCH_RECORDS)


def instead_of(record: Record, result: RecordResult) -> RecordResult:
    """Return the fallback of a result that the broker never takes. Raises `Fatal` where there is none left."""
    if result.fallback is None:
        raise Fatal(
            Reason.ANNOUNCEMENT_REFUSED,
            f"The broker refuses even a short outcome for {record.topic}:{record.partition} offset {record.offset}. "
            "Check the outcome topic's max.message.bytes and this worker's rights: leadart doctor.",
        )
    log.error("announcement_refused", topic=record.topic, shard=record.partition, offset=record.offset)
    return result.fall_back()
