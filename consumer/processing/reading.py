"""From a raw record to a job and its claim."""

from consumer.delivery.controls import NO_TRAITS, Traits
from consumer.delivery.heads import Claim, Slot
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected
from consumer.jobs import Job, Lane, Record
from schemas import ContractError, ImageRequested, Priority, RequestReason
from schemas.cloudevents import Event
from schemas.ignored import unknown_fields
from schemas.names import BACKFILL
from schemas.reader import parse_request
from schemas.recrop import ImageRecropRequested
from schemas.requests import AnyRequest, PictureRequest


def parsed(state: RetryState) -> tuple[Event, AnyRequest]:
    """Return a record's event and request. Raises `Rejected` if it breaks the contract."""
    original = state.original
    if original.not_read:
        raise Rejected(original.not_read_reason, original.not_read)
    try:
        return parse_request(original.key, original.headers, original.value)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field=error.field) from error


def job_of(record: Record, state: RetryState, event: Event, request: PictureRequest) -> Job:
    """Return the job of a request, in the lane that it came by."""
    original = state.original
    return Job(event, request, original, lane_of(record, original, request), unknown_fields(event.data, type(request)))


def lane_of(record: Record, original: Record, request: PictureRequest) -> Lane:
    """Return the lane that a request came by; `original` is what its publisher wrote."""
    if record.topic != original.topic:
        return Lane.RETRY
    if record.topic.endswith(BACKFILL):
        return Lane.BACKFILL
    return Lane.INTERACTIVE if _somebody_waits(request) else Lane.LIVE


def _somebody_waits(request: PictureRequest) -> bool:
    return not isinstance(request, ImageRequested) or request.priority is Priority.INTERACTIVE


def claim_of(job: Job, read: Record | None = None) -> Claim:
    """Return the claim that a request has to its slot.

    `read` is its record as it came this time; None for one that an editor released, which no control is for.
    """
    request, fresh = job.request, False
    variation: int | None = 0
    picture = request.picture if isinstance(request, ImageRecropRequested) else None
    if isinstance(request, ImageRequested):
        fresh = request.reason is RequestReason.REGENERATE
        given = request.generation.variation
        variation = (None if fresh else 0) if given is None else given
    return Claim(
        Slot(request.article.id, request.slot),
        request.article.revision,
        job.event.source,
        job.event.id,
        variation,
        fresh,
        picture,
        time_ms=job.record.timestamp_ms,
        traits=Traits.of(read, job.record, request, job.event.source) if read else NO_TRAITS,
    )
