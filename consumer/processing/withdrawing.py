"""Withdrawals and restorations: an article, or a slot of it, is taken down, or opened again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from consumer.delivery.editorial import Position, Withdrawal
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.errors import Rejected, Superseded, Transient
from consumer.jobs import Job, Record, Withdrawn
from consumer.ports import Store
from consumer.processing.editorial_outcomes import EditorialOutcomes
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.store_outage import Operation, StoreOutage
from schemas import Reason
from schemas.cloudevents import Event
from schemas.editorial import ArticleRestored, ArticleWithdrawn

Result = TypeVar("Result")

_AGAIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Withdrawing:
    """Takes down and opens. Both are safe to repeat from any point; a store that is down delays them, without bound."""

    def __init__(self, outcomes: OutcomeBuilder, store: Store, outage: StoreOutage) -> None:
        self._outcomes = EditorialOutcomes(outcomes)
        self._store = store
        self._outage = outage

    async def withdraw(
        self, in_flight: InFlightRecord, event: Event, request: ArticleWithdrawn, record: Record
    ) -> RecordResult:
        """End what is in flight and return the outcome of each slot. Raises `Superseded` to hand the record back."""
        withdrawal = Withdrawal(source=event.source, request_id=event.id, message=request.reason)
        slots = in_flight.withdraw_slots(request.article.id, request.slot, position(record), withdrawal)
        if slots is None:
            raise Superseded
        # Its place, not its id: a publisher may send one id again after the article was restored.
        by = f"{record.topic}:{record.partition}:{record.offset}"
        if not slots or not all(each.late for each in slots):  # what was made after a restoration stays
            await self._clear(request.article.id, request.slot, by)
        return self._outcomes.taken_down(event, request, record, slots)

    async def clear(self, job: Job) -> None:
        """Delete what was stored for a request of a slot that is withdrawn, by a worker that died over it."""
        await self._clear(job.request.article.id, job.request.slot, None)

    async def restore(
        self, in_flight: InFlightRecord, event: Event, request: ArticleRestored, record: Record
    ) -> RecordResult:
        """Open the slots. Raises `Rejected` for a slot of an article that is withdrawn whole."""
        restored = in_flight.restore_slots(request.article.id, request.slot, position(record))
        if restored is None:
            raise Superseded
        if not restored:
            raise Rejected(
                Reason.WITHDRAWN,
                "The article is withdrawn as a whole: restore it without `slot`.",
                field="slot",
            )
        # After the heads: until then requests still end as withdrawn.
        await self._until_done(lambda: self._store.restore(request.article.id, request.slot))
        return self._outcomes.restored(event, request, record)

    async def _clear(self, article_id: str, slot: str | None, by: str | None) -> None:
        done = await self._until_done(lambda: self._store.withdraw(article_id, slot, by))
        if by is not None or done != Withdrawn():
            log.info(
                "article_withdrawn",
                article_id=article_id,
                slot=slot,
                objects=len(done.objects),
                slots=sorted(done.slots),
                shared=done.shared,
            )

    async def _until_done(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Return what the attempt returns. One that goes on failing by itself is not given up either."""
        while True:
            try:
                return await self._outage.retry_until_up(Operation.WITHDRAW, attempt)
            except Transient as error:
                log.warning("withdrawal_delayed", reason=error.reason, error=error.message)
                await asyncio.sleep(_AGAIN_SECONDS)


def position(record: Record) -> Position:
    """Return where the publisher's record stands."""
    return Position(topic=record.topic, partition=record.partition, offset=record.offset)
