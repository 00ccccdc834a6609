"""What the CMS is told, as records: outcome events and dead letters. Pure; the owner writes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumer import __version__
from consumer.delivery.ports import OutgoingRecord, RecordResult
from consumer.delivery.retry import FIRST_OF_OURS, RetryState
from consumer.errors import Rejected
from schemas import (
    ArticleRevision,
    DeadLetter,
    FailedArticle,
    ImageExpired,
    ImageFailed,
    ImageSuperseded,
    OutcomeKind,
    Reason,
    SupersededBy,
    names,
)
from schemas.cloudevents import Event, write
from schemas.salvage import CARRIED, Salvage, salvage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.delivery.retry import RetrySchedule
    from consumer.errors import LeadartError
    from consumer.jobs import Job, Record
    from consumer.settings import Settings
    from schemas import Announcement, ImageReady

MESSAGE_CHARACTERS = 1000

RETRY = "retry"
"""What the log says instead of an outcome kind when a request goes to a retry lane."""


@dataclass(frozen=True, slots=True)
class EventIdentity:
    """Who an outcome answers: the identity that a deterministic event id is made from."""

    source: str
    request_id: str
    article_id: str
    extensions: Mapping[str, str]


class OutcomeBuilder:
    """Builds settlements. Everything goes to the partition number that the request came from."""

    def __init__(self, settings: Settings) -> None:
        self.outcome_topic = settings.topics.named(names.OUTCOME)
        self.dead_letter_topic = settings.topics.named(names.DEAD_LETTER)
        self._source = settings.source

    def ready(self, job: Job, ready: ImageReady, seconds: Mapping[str, float]) -> RecordResult:
        """Announce the pictures; should the broker never take that, say so in a short failed outcome instead.

        `seconds` of its stages are told in the log.
        """
        recipes = [picture.recipe for picture in ready.pictures]
        letter = self._letter(job.record.partition, _asker(job), ready, recipes)
        facts = {"outcome": OutcomeKind.READY, "reused": ready.reused, "pictures": len(recipes), "seconds": seconds}
        tried = RetryState(job.record)
        return RecordResult(
            (letter,), lambda: self._failed(tried, _untellable(job.record), whole=False), facts | _about(job), True
        )

    def superseded(self, job: Job, revision: int) -> RecordResult:
        """Say that a newer revision took the request's place."""
        request = job.request
        data = ImageSuperseded(
            request_id=job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.output.slot,
            superseded_by=SupersededBy(revision=revision),
        )
        letter = self._letter(job.record.partition, _asker(job), data, [str(revision)])
        return RecordResult(
            (letter,), facts={"outcome": OutcomeKind.SUPERSEDED, "superseded_by": revision} | _about(job)
        )

    def expired(self, job: Job) -> RecordResult:
        """Say that the request's time passed before its turn came."""
        request = job.request
        data = ImageExpired(
            request_id=job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.output.slot,
            expired_at=job.event.expirytime or datetime.now(UTC),
        )
        letter = self._letter(job.record.partition, _asker(job), data, [])
        return RecordResult((letter,), facts={"outcome": OutcomeKind.EXPIRED} | _about(job))

    def again(self, tried: RetryState, error: LeadartError, turn: RetrySchedule) -> RecordResult:
        """Send the request to a retry lane as its publisher wrote it; if the broker never takes that, it has failed."""
        record = tried.original
        told = {**_history(tried, error), "leadart-due": str(turn.due_ms)}
        told["leadart-first-seen"] = str(turn.first_seen_ms)
        headers = (*record.headers, *_headers(told))
        facts = {**_facts(tried, error), "outcome": RETRY, "retry_topic": turn.topic, "due_at": turn.due_ms / 1000}
        letter = OutgoingRecord(turn.topic, record.partition, record.key, record.value, headers)
        return RecordResult((letter,), lambda: self.failed(tried, error), facts)

    def failed(self, tried: RetryState, error: LeadartError) -> RecordResult:
        """Keep the record as a dead letter and, wherever an article id can be read, tell the CMS why.

        Should the broker never take the dead letter, its fallback says where the original lies and holds only its key.
        """
        whole = self._failed(tried, error, whole=True)
        return replace(whole, fallback=lambda: self._failed(tried, error, whole=False))

    def _failed(self, tried: RetryState, error: LeadartError, *, whole: bool) -> RecordResult:
        record = tried.original
        known = salvage(record.key, record.headers, record.value)
        kept = self._keep(tried, error, whole=whole)
        facts = {
            **_facts(tried, error),
            "request_id": known.request_id,
            "article_id": known.article_id,
            "revision": known.revision,
        }
        if known.article_id is None:
            return RecordResult((kept,), facts=facts)
        where = DeadLetter(topic=self.dead_letter_topic, partition=record.partition)
        told = self._failure(record, known, error, tried.attempts + 1, where)
        return RecordResult((told, kept), facts=facts)

    def progress(self, job: Job, data: Announcement) -> tuple[list[tuple[str, bytes]], bytes]:
        """Build a progress event: headers and value. Its id is its content's, so a repeat is the same event."""
        return self._event(_asker(job), data, [data.model_dump_json()])

    def _failure(
        self, record: Record, known: Salvage, error: LeadartError, attempts: int, where: DeadLetter
    ) -> OutgoingRecord:
        article_id = known.article_id or ""
        coordinates = f"{record.topic}:{record.partition}:{record.offset}"
        flow = _flow(known.request_id, known.carried)
        asker = EventIdentity(known.source or "", known.request_id or coordinates, article_id, flow)
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
        )
        return self._letter(record.partition, asker, data, [error.reason.value])

    def _letter(self, partition: int, asker: EventIdentity, data: Announcement, facets: list[str]) -> OutgoingRecord:
        headers, value = self._event(asker, data, facets)
        return OutgoingRecord(self.outcome_topic, partition, asker.article_id.encode(), value, tuple(headers))

    def _event(
        self, asker: EventIdentity, data: Announcement, facets: list[str]
    ) -> tuple[list[tuple[str, bytes]], bytes]:
        identity = json.dumps([asker.source, asker.request_id, data.type, facets], ensure_ascii=False)
        event = Event(
            id=hashlib.sha256(identity.encode()).hexdigest(),
            source=self._source,
            type=data.type,
            subject=asker.article_id,
            time=datetime.now(UTC),
            dataschema=names.dataschema(data.type),
            extensions={**asker.extensions, "causationid": asker.request_id, "partitionkey": asker.article_id},
            data=data.model_dump_json().encode(),
        )
        return write(event)

    def _keep(self, tried: RetryState, error: LeadartError, *, whole: bool) -> OutgoingRecord:
        """Return the dead letter: original key, value and headers untouched, and beside them where and why.

        Without `whole` only a mark of it: the key, and that value and headers are still where they were.
        """
        record, told = tried.original, _history(tried, error)
        value, headers = record.value, record.headers
        if not whole:
            value, headers, told["leadart-omitted"] = b"", (), "value, headers"
        if record.key is None and value is None:
            # Clients refuse to write a record of neither; the header keeps the truth.
            value, told["leadart-null-value"] = b"", "true"
        return OutgoingRecord(self.dead_letter_topic, record.partition, record.key, value, (*headers, *_headers(told)))


def _history(tried: RetryState, error: LeadartError) -> dict[str, str]:
    """Say, for the headers of a retry or a dead letter, where a record came from and what became of it."""
    record = tried.original
    return {
        FIRST_OF_OURS: record.topic,
        "leadart-partition": str(record.partition),
        "leadart-offset": str(record.offset),
        "leadart-timestamp": str(record.timestamp_ms),
        "leadart-reason": error.reason.value,
        "leadart-message": error.message[:MESSAGE_CHARACTERS],
        "leadart-field": error.field or "",
        "leadart-attempts": str(tried.attempts + 1),
        "leadart-first-seen": str(tried.first_seen_ms or record.timestamp_ms),
        "leadart-worker-version": __version__,
    }


def _headers(told: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, text.encode()) for name, text in told.items())


def _about(job: Job) -> dict[str, object]:
    return {
        "request_id": job.event.id,
        "article_id": job.request.article.id,
        "revision": job.request.article.revision,
        "slot": job.request.output.slot,
        "lane": job.lane.value,
        "asked_at": job.event.time.timestamp() if job.event.time else job.record.timestamp_ms / 1000,
    }


def _facts(tried: RetryState, error: LeadartError) -> dict[str, object]:
    return {
        "outcome": OutcomeKind.FAILED,
        "reason": error.reason.value,
        "message": error.message[:MESSAGE_CHARACTERS],
        "field": error.field,
        "attempts": tried.attempts + 1,
        "asked_at": tried.original.timestamp_ms / 1000,
    }


def _untellable(record: Record) -> Rejected:
    return Rejected(
        Reason.ANNOUNCEMENT_REFUSED,
        f"The bus refuses what was to be said about this request ({record.topic}:{record.partition} offset "
        f"{record.offset}); an operator has to compare the topics' limits with the contract.",
    )


def _asker(job: Job) -> EventIdentity:
    flow = _flow(job.event.id, job.event.extensions)
    return EventIdentity(job.event.source, job.event.id, job.request.article.id, flow)


def _flow(request_id: str | None, extensions: Mapping[str, str]) -> dict[str, str]:
    """Return what an outcome says of its flow: what the request did, else that the request began it."""
    begun = {"correlationid": request_id} if request_id else {}
    return begun | {name: extensions[name] for name in CARRIED if name in extensions}
