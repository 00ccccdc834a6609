"""Withdrawals and restorations: an article, or a slot of it, is taken down, or opened again."""

from consumer.delivery.editorial import Position, Withdrawal
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.errors import Rejected, Superseded
from consumer.jobs import Record
from consumer.processing.editorial_outcomes import EditorialOutcomes
from consumer.processing.outcomes import OutcomeBuilder
from schemas import Reason
from schemas.cloudevents import Event
from schemas.editorial import ArticleRestored, ArticleWithdrawn


class Withdrawing:
    """Takes down and opens. Both are safe to repeat, from any point."""

    def __init__(self, outcomes: OutcomeBuilder) -> None:
        self._outcomes = EditorialOutcomes(outcomes)

    async def withdraw(
        self, in_flight: InFlightRecord, event: Event, request: ArticleWithdrawn, record: Record
    ) -> RecordResult:
        """End what is in flight and return the outcome of each slot. Raises `Superseded` to hand the record back."""
        by = Withdrawal(source=event.source, request_id=event.id, message=request.reason)
        slots = in_flight.withdraw_slots(request.article.id, request.slot, position(record), by)
        if slots is None:
            raise Superseded
        return self._outcomes.taken_down(event, request, record, slots)

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
        return self._outcomes.restored(event, request, record)


def position(record: Record) -> Position:
    """Return where the publisher's record stands."""
    return Position(topic=record.topic, partition=record.partition, offset=record.offset)
