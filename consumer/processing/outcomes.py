"""Outcome events, retries and dead letters as records. Pure; the shard's owner writes them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from consumer import __version__
from consumer.delivery.ports import MAX_RECORD_BYTES, OutgoingRecord, RecordResult
from consumer.delivery.retry import FIRST_OF_OURS, Headers, RetrySchedule, RetryState
from consumer.errors import LeadartError, Rejected
from consumer.jobs import Job, Record
from consumer.settings import Settings
from schemas import (
    Announcement,
    ArticleRevision,
    DeadLetter,
    FailedArticle,
    ImageExpired,
    ImageFailed,
    ImageReady,
    ImageSuperseded,
    OutcomeKind,
    Reason,
    SupersededBy,
    names,
)
from schemas.cloudevents import Event, write
from schemas.event import CARRIED
from schemas.ignored import Ignored
from schemas.salvage import Salvage, salvage

MESSAGE_CHARACTERS = 1000
"""Longest message of a failure."""

WHOLE_BATCH = "key, value, headers"
"""What a dead letter omits that stands for a batch that was not read."""

RETRY = "retry"
"""What the log says instead of an outcome kind when a request goes to a retry lane."""


@dataclass(frozen=True, slots=True)
class EventIdentity:
    """The request an event answers, from which its deterministic id is made."""

    source: str
    request_id: str
    article_id: str
    extensions: Mapping[str, str]


class OutcomeBuilder:
    """Builds the results of records. Everything goes to the partition number that the request came from."""

    def __init__(self, settings: Settings) -> None:
        self.outcome_topic = settings.topics.named(names.OUTCOME)
        self.dead_letter_topic = settings.topics.named(names.DEAD_LETTER)
        self._source = settings.source

    def ready(self, job: Job, ready: ImageReady, seconds: Mapping[str, float]) -> RecordResult:
        """Announce the pictures; should the broker never take that, a short failed outcome instead.

        `seconds` of the stages go into the log.
        """
        recipes = [picture.recipe for picture in ready.pictures]
        files = [rendition.sha256 for picture in ready.pictures for rendition in picture.renditions]
        data = ready.model_copy(update=ignored_fields(job.ignored))
        facets = [*recipes, *files, str(ready.ordinal)]
        outcome = self.outcome(job.record.partition, identity_of(job), data, facets)
        facts = {"outcome": OutcomeKind.READY, "reused": ready.reused, "pictures": len(recipes)}
        facts |= {"renditions": len(files), "seconds": seconds, **({"policy": ready.policy} if ready.policy else {})}
        state = RetryState(job.record)
        error = _too_large(outcome, len(files)) if outcome.size > MAX_RECORD_BYTES else refused(job.record)
        return RecordResult((outcome,), lambda: self._failed(state, error, whole=False), facts | about(job), True)

    def superseded(self, job: Job, revision: int) -> RecordResult:
        """Announce that a newer revision took the request's place."""
        data = ImageSuperseded(
            request_id=job.event.id,
            article=article_revision(job),
            slot=job.request.slot,
            superseded_by=SupersededBy(revision=revision),
            **ignored_fields(job.ignored),
        )
        outcome = self.outcome(job.record.partition, identity_of(job), data, [str(revision)])
        facts = {"outcome": OutcomeKind.SUPERSEDED, "superseded_by": revision}
        return RecordResult((outcome,), facts=facts | about(job))

    def expired(self, job: Job, at: datetime | None = None) -> RecordResult:
        """Announce that the request's time passed before it was painted: its `expirytime`, or that given."""
        data = ImageExpired(
            request_id=job.event.id,
            article=article_revision(job),
            slot=job.request.slot,
            expired_at=at or job.event.expirytime or datetime.now(UTC),
            **ignored_fields(job.ignored),
        )
        outcome = self.outcome(job.record.partition, identity_of(job), data, [])
        return RecordResult((outcome,), facts={"outcome": OutcomeKind.EXPIRED} | about(job))

    def retry(self, state: RetryState, error: LeadartError, schedule: RetrySchedule) -> RecordResult:
        """Send the request to a retry lane as its publisher wrote it; should the broker never take that, fail it."""
        record = state.original
        headers = self.round_headers(state, schedule, error.reason.value, error.message, error.field, attempts=1)
        due_at = schedule.due_ms / 1000
        facts = {**_facts(state, error), "outcome": RETRY, "retry_topic": schedule.topic, "due_at": due_at}
        outgoing = OutgoingRecord(schedule.topic, record.partition, record.key, record.value, headers)
        return RecordResult((outgoing,), lambda: self.failed(state, error), facts)

    def round_headers(  # noqa: PLR0913 - what the block says
        self,
        state: RetryState,
        schedule: RetrySchedule,
        reason: str,
        message: str,
        field: str | None = None,
        *,
        attempts: int = 0,
    ) -> Headers:
        """Return the headers of a record for a retry lane: its publisher's, and ours; `attempts` were made since."""
        ours = _history(state, reason, message, field, state.attempts + attempts)
        ours |= {"leadart-due": str(schedule.due_ms), "leadart-first-seen": str(schedule.first_seen_ms)}
        return (*state.original.headers, *_headers(ours))

    def failed(self, state: RetryState, error: LeadartError) -> RecordResult:
        """Keep the record as a dead letter and, if an article id can be read, announce why.

        Should the broker never take the dead letter, the fallback holds only its key and where the original is.
        """
        whole = self._failed(state, error, whole=True)
        return replace(whole, fallback=lambda: self._failed(state, error, whole=False))

    def _failed(self, state: RetryState, error: LeadartError, *, whole: bool) -> RecordResult:
        record = state.original
        known = salvage(record.key, record.headers, record.value)
        dead_letter = self._dead_letter(state, error, whole=whole)
        facts = {
            **_facts(state, error),
            "request_id": known.request_id,
            "article_id": known.article_id,
            "revision": known.revision,
            **_logged(known.ignored),
        }
        if known.article_id is None:
            return RecordResult((dead_letter,), facts=facts)
        where = DeadLetter(topic=self.dead_letter_topic, partition=record.partition)
        outcome = self._failure(record, known, error, state.attempts + 1, where)
        return RecordResult((outcome, dead_letter), facts=facts)

    def progress(self, job: Job, data: Announcement) -> tuple[list[tuple[str, bytes]], bytes]:
        """Build a progress event: headers and value. Its id is its content's, so a repeat is the same event."""
        return self._event(identity_of(job), data, [data.model_dump_json()])

    def _failure(
        self, record: Record, known: Salvage, error: LeadartError, attempts: int, where: DeadLetter
    ) -> OutgoingRecord:
        article_id = known.article_id or ""
        coordinates = f"{record.topic}:{record.partition}:{record.offset}"
        flow = _flow(known.request_id, known.carried)
        identity = EventIdentity(known.source or "", known.request_id or coordinates, article_id, flow)
        data = ImageFailed(
            request_id=known.request_id,
            article=FailedArticle(id=article_id, revision=known.revision),
            slot=known.slot,
            reason=error.reason,
            message=error.message[:MESSAGE_CHARACTERS],
            field=error.field,
            retryable=not isinstance(error, Rejected),
            attempts=attempts,
            dead_letter=where,
            **ignored_fields(known.ignored),
        )
        return self.outcome(record.partition, identity, data, [error.reason.value])

    def identity(self, event: Event, article_id: str) -> EventIdentity:
        """Return the identity of a decision that is no request for pictures."""
        return EventIdentity(event.source, event.id, article_id, _flow(event.id, event.extensions))

    def outcome(self, partition: int, identity: EventIdentity, data: Announcement, facets: list[str]) -> OutgoingRecord:
        """Return an outcome's record. Its id is made of the request, the kind and the `facets`: what it says."""
        headers, value = self._event(identity, data, facets)
        return OutgoingRecord(self.outcome_topic, partition, identity.article_id.encode(), value, tuple(headers))

    def _event(
        self, identity: EventIdentity, data: Announcement, facets: list[str]
    ) -> tuple[list[tuple[str, bytes]], bytes]:
        identifying = json.dumps([identity.source, identity.request_id, data.type, facets], ensure_ascii=False)
        event = Event(
            id=hashlib.sha256(identifying.encode()).hexdigest(),
            source=self._source,
            type=data.type,
            subject=identity.article_id,
            time=datetime.now(UTC),
            dataschema=names.dataschema(data.type),
            extensions={**identity.extensions, "causationid": identity.request_id, "partitionkey": identity.article_id},
            data=data.model_dump_json().encode(),
        )
        return write(event)

    def _dead_letter(self, state: RetryState, error: LeadartError, *, whole: bool) -> OutgoingRecord:
        """Return the dead letter: original key, value and headers untouched, then headers that say from where and why.

        Unless `whole`, or of a record that was not read, only a mark: the key, if there is one, and a header that says
        what is left out.
        """
        record = state.original
        ours = _history(state, error.reason.value, error.message, error.field, state.attempts + 1)
        value, headers = record.value, record.headers
        if not whole or record.not_read:
            value, headers, ours["leadart-omitted"] = b"", (), "value, headers"
        if record.not_read and record.key is None:
            ours["leadart-omitted"] = WHOLE_BATCH
        if record.key is None and value is None:
            # Clients refuse to write a record with neither; the header tells the difference.
            value, ours["leadart-null-value"] = b"", "true"
        return OutgoingRecord(self.dead_letter_topic, record.partition, record.key, value, (*headers, *_headers(ours)))


def _history(state: RetryState, reason: str, message: str, field: str | None, attempts: int) -> dict[str, str]:
    """Return our headers of a retry or a dead letter: where the record came from and what became of it."""
    record = state.original
    return {
        FIRST_OF_OURS: record.topic,
        "leadart-partition": str(record.partition),
        "leadart-offset": str(record.offset),
        "leadart-timestamp": str(record.timestamp_ms),
        "leadart-reason": reason,
        "leadart-message": message[:MESSAGE_CHARACTERS],
        "leadart-field": field or "",
        "leadart-attempts": str(attempts),
        "leadart-first-seen": str(state.first_seen_ms or record.timestamp_ms),
        "leadart-worker-version": __version__,
    }


def _headers(texts: Mapping[str, str]) -> Headers:
    return tuple((name, text.encode()) for name, text in texts.items())


def article_revision(job: Job) -> ArticleRevision:
    """Return the article revision that a job is about."""
    return ArticleRevision(id=job.request.article.id, revision=job.request.article.revision)


def about(job: Job) -> dict[str, object]:
    """Return what the log line says of a job."""
    return {
        "request_id": job.event.id,
        "article_id": job.request.article.id,
        "revision": job.request.article.revision,
        "slot": job.request.slot,
        "lane": job.lane.value,
        "asked_at": job.event.time.timestamp() if job.event.time else job.record.timestamp_ms / 1000,
        **_logged(job.ignored),
    }


def ignored_fields(ignored: Ignored) -> dict[str, Any]:
    """Return the fields of an outcome that name what was not understood."""
    return {"ignored": ignored.ignored, "did_you_mean": dict(ignored.did_you_mean)}


def _logged(ignored: Ignored) -> dict[str, object]:
    """Return what the log line says of it: nothing of nearly every request."""
    return {"ignored": ignored.ignored} if ignored.ignored else {}


def _facts(state: RetryState, error: LeadartError) -> dict[str, object]:
    return {
        "outcome": OutcomeKind.FAILED,
        "reason": error.reason.value,
        "message": error.message[:MESSAGE_CHARACTERS],
        "field": error.field,
        "attempts": state.attempts + 1,
        "asked_at": state.original.timestamp_ms / 1000,
    }


def refused(record: Record) -> Rejected:
    """Return the error of a request whose outcome the bus never takes."""
    return Rejected(
        Reason.ANNOUNCEMENT_REFUSED,
        f"The bus refuses the outcome of this request ({record.topic}:{record.partition} offset "
        f"{record.offset}); an operator has to compare the topics' limits with the contract.",
    )


def _too_large(outcome: OutgoingRecord, files: int) -> Rejected:
    """Return the error of a request with more files than an event can name."""
    return Rejected(
        Reason.ANNOUNCEMENT_REFUSED,
        f"The outcome names {files} renditions in {outcome.size} bytes, and an event has at most {MAX_RECORD_BYTES}: "
        "ask for fewer variants or for `output.renditions: thumbs`. Addresses are shorter with "
        "LEADART_STORAGE__PUBLIC_BASE_URL than presigned.",
    )


def identity_of(job: Job) -> EventIdentity:
    """Return the identity of a job's events."""
    flow = _flow(job.event.id, job.event.extensions)
    return EventIdentity(job.event.source, job.event.id, job.request.article.id, flow)


def _flow(request_id: str | None, extensions: Mapping[str, str]) -> dict[str, str]:
    """Return the tracing attributes of an outcome: those of the request, or the request as their beginning."""
    begun = {"correlationid": request_id} if request_id else {}
    return begun | {name: extensions[name] for name in CARRIED if name in extensions}
