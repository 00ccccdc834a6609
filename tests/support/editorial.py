"""A shard's editorial decisions without a bus, and the jobs and outcomes of editors."""

from __future__ import annotations

import json
from typing import Any

from consumer.delivery.editorial import Position
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.heads import Claim, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ports import RecordResult
from consumer.delivery.retry import RetryState
from consumer.delivery.ruling import Ruling
from consumer.jobs import Job, Record
from consumer.processing.reading import job_of, parsed
from schemas import ImageReady, names
from schemas.cloudevents import Event, write
from schemas.requests import PictureRequest

HERO = Slot("a-1", "hero")
PICTURES = {"a": ("a" * 64, "1" * 64), "b": ("b" * 64, "2" * 64)}
"""SHA-256 and recipe of two pictures."""


class DecidingShard:
    """One epoch of a shard in which every record is ours, unless told otherwise."""

    def __init__(self) -> None:
        self.heads = Heads("heads", "group", 0)
        self.ours = True
        self.decisions = EditorialDecisions(LatestWins(self.heads), lambda _: self.ours)

    def in_flight(self, record: Record) -> InFlightRecord:
        """Return the record as its owner hands it to the handler."""
        return InFlightRecord(record, 0, lambda: None, self.decisions)

    def save(self, revision: int, **parts: Any) -> Ruling:
        """Return what is decided about a save, or about another request."""
        claim = Claim(HERO, revision, "/cms", parts.pop("name", f"save-{revision}"), **parts)
        return self.in_flight(record_of(names.IMAGE_REQUESTED, {}, 0)).register_claim(claim, ended, ended)


def ended(_by: object) -> RecordResult:
    """Return a result that nobody reads."""
    return RecordResult(())


def record_of(event_type: str, data: dict[str, Any], offset: int, event_id: str = "") -> Record:
    """Return the record in which a CMS publishes the data."""
    event = Event(id=event_id or f"e-{offset}", source="/cms", type=event_type, data=data)
    headers, value = write(event)
    return Record(names.REQUESTED, 0, offset, b"a-1", value, tuple(headers), 1_000)


def job_at(offset: int, event_type: str, **data: Any) -> Job:
    """Return the job of an event about a-1's hero at that offset."""
    whole = {"article": {"id": "a-1", "revision": 1}, **data}
    record = record_of(event_type, whole, offset)
    state = RetryState(record)
    event, request = parsed(state)
    assert isinstance(request, PictureRequest)
    return job_of(record, state, event, request)


def chosen(offset: int, picture: str | None, **parts: Any) -> Job:
    """Return the job of a choice of picture `a` or `b`, or of letting go."""
    named = None if picture is None else {"sha256": PICTURES[picture][0]}
    return job_at(offset, names.IMAGE_CHOSEN, picture=named, **parts)


def at(job: Job) -> Position:
    """Return where a job's record stands."""
    return Position(topic=job.record.topic, partition=job.record.partition, offset=job.record.offset)


def ready_of(picture: str, request_id: str = "e-1") -> ImageReady:
    """Return a ready outcome with one picture, before anything was decided about it."""
    sha256, recipe = PICTURES[picture]
    file = {"url": f"https://p/{picture}.png", "key": f"pictures/{picture}.png", "media_type": "image/png"}
    size = {"index": 0, "bytes": 10, "width": 64, "height": 64, "seed": 1}
    return ImageReady.model_validate(
        {
            "request_id": request_id,
            "article": {"id": "a-1", "revision": 1},
            "slot": "hero",
            "variation": 0,
            "prompt": "Storm",
            "alt": "A draft.",
            "pictures": ({**file, **size, "sha256": sha256, "recipe": recipe},),
            "style": {"preset": "default", "version": 1},
            "model": {"name": "swatch", "sha256": "c" * 64},
            "reused": True,
            "seconds": {"queued": 0.0, "engine": 0.0, "stored": 0.0, "total": 0.0},
        }
    )


def told(result: RecordResult) -> list[dict[str, Any]]:
    """Return the data of the result's outcomes, each with its kind and event id."""
    found = []
    for written in result.records:
        headers = {name: (value or b"").decode() for name, value in written.headers}
        kind = headers["ce_type"].removeprefix(names.TYPE_PREFIX).partition(".")[0]
        found.append({**json.loads(written.value or b""), "kind": kind, "event": headers["ce_id"]})
    return found
