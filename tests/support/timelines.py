"""Timelines for tests: an article `a-1` whose key belongs in partition 3, traced at noon."""

from __future__ import annotations

from typing import Any

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.timeline import (
    FailureFacts,
    GroupFacts,
    Place,
    RecordState,
    SearchFacts,
    Standing,
    Timeline,
    TracedDeadLetter,
    TracedFile,
    TracedHead,
    TracedOutcome,
    TracedPicture,
    TracedRequest,
)
from schemas import names

MINUTE = 60_000
NOON = 1_925_553_600_000
"""2031-01-07T12:00:00Z."""
DONE, WAITING = Standing(RecordState.FINISHED), Standing(RecordState.WAITING, before=4)
FAILURE = FailureFacts("engine_failed", "The engine was killed.")
MASTER, RENDITION = "pictures/aa/master.png", "pictures/bb/hero-960.avif"


def at(minutes: int) -> int:
    """Return the time so many minutes before noon."""
    return NOON - minutes * MINUTE


def clock(minutes: int) -> str:
    """Return that time as a sentence writes it."""
    return format_time_ms(at(minutes))


def place(offset: int, topic: str = names.REQUESTED, partition: int = 3) -> Place:
    """Return a place in the article's partition."""
    return Place(topic, partition, offset)


def asked(offset: int = 1, minutes: int = 60, **fields: Any) -> TracedRequest:
    """Return a request, `r-OFFSET` of revision OFFSET, published so many minutes before noon."""
    usual = {
        "place": place(offset),
        "ms": at(minutes),
        "kind": "image-requested",
        "request_id": f"r-{offset}",
        "slot": "hero",
        "revision": offset,
        "standing": DONE,
        "origin": place(offset),
    }
    return TracedRequest(**{**usual, **fields})


def retried(offset: int = 1, minutes: int = 50, due: int = -5, **fields: Any) -> TracedRequest:
    """Return the second retry of that request; `due` minutes before noon."""
    usual = {
        "place": place(0, names.RETRY_10M),
        "origin": place(offset),
        "attempt": 3,
        "due_ms": at(due),
        "failure": FAILURE,
        "standing": WAITING,
    }
    return asked(offset, minutes, **{**usual, **fields})


def outcome(kind: str, offset: int = 1, minutes: int = 55, **fields: Any) -> TracedOutcome:
    """Return the outcome of `r-OFFSET`, announced so many minutes before noon."""
    usual = {
        "place": place(offset, names.OUTCOME),
        "ms": at(minutes),
        "kind": kind,
        "request_id": f"r-{offset}",
        "slot": "hero",
        "revision": offset,
        "result": "as it was",
    }
    return TracedOutcome(**{**usual, **fields})


def ready(offset: int = 1, minutes: int = 55, **fields: Any) -> TracedOutcome:
    """Return an outcome with one picture and its rendition."""
    files = (TracedFile("master", MASTER, "aa", 5), TracedFile("hero-960 avif", RENDITION, "bb", 3))
    pictures = (TracedPicture("ee" * 32, "https://cdn.example/m.png", files),)
    return outcome("ready", offset, minutes, **{"pictures": pictures, "result": "1 picture", **fields})


def letter(offset: int = 1, **fields: Any) -> TracedDeadLetter:
    """Return the dead letter of `r-OFFSET`."""
    usual = {
        "place": place(7, names.DEAD_LETTER),
        "ms": at(55),
        "origin": place(offset),
        "request_id": f"r-{offset}",
        "failure": FAILURE,
        "attempts": "4",
        "state": "open",
    }
    return TracedDeadLetter(**{**usual, **fields})


def head(revision: int, made: int | None = None) -> TracedHead:
    """Return the head of the slot."""
    return TracedHead(place(0, names.HEADS), at(50), "hero", revision, "/cms/other", f"r-{revision}", made)


def timeline(*, workers: int | None = 2, **parts: Any) -> Timeline:
    """Return a timeline of these parts."""
    usual = {"search": SearchFacts(home=3, partitions=(3,)), "group": GroupFacts("leadart", workers)}
    return Timeline("a-1", **{**usual, **parts})
