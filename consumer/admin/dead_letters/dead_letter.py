"""The records of the dead-letter topic as values: dead letters, and the marks that follow them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import split
from consumer.jobs import Record
from consumer.processing.outcomes import WHOLE_BATCH

OURS: Final = "leadart-"
MARK: Final = "leadart-mark"
MARK_OF: Final = "leadart-mark-of"
MARK_AT: Final = "leadart-mark-at"
REDRIVEN: Final = "leadart-redriven"
REDRIVEN_AT: Final = "leadart-redriven-at"


class DeadLetterState(StrEnum):
    """What was done about a dead letter."""

    OPEN = "open"
    REDRIVEN = "redriven"
    PURGED = "purged"


class Coordinates(NamedTuple):
    """Where a record is in its topic, written PARTITION:OFFSET."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Coordinates:
        """Parse PARTITION:OFFSET. Raises `ValueError` with a sentence."""
        partition, _, offset = text.partition(":")
        if not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in (partition, offset)):
            raise ValueError(f"{text[:40]!a} is not PARTITION:OFFSET, such as 3:1042.")
        return cls(int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A request without a picture: `original` as its publisher wrote it, at the coordinates it was first read from.

    `facts` are what the worker recorded, by header name; `kept_ms` is when, in milliseconds since 1970.
    """

    at: Coordinates
    kept_ms: int
    original: Record
    facts: Mapping[str, str]

    @property
    def reason(self) -> str:
        """The stable reason code: one of `schemas.Reason`, unless a newer worker wrote it."""
        return self.facts.get("leadart-reason", "")

    @property
    def omitted(self) -> bool:
        """Whether only the key was kept: value and headers may still be in the lane."""
        return "leadart-omitted" in self.facts

    @property
    def whole_batch(self) -> bool:
        """Whether it stands for a batch that was not read, so that not even a key is known."""
        return self.facts.get("leadart-omitted") == WHOLE_BATCH


@dataclass(frozen=True, slots=True)
class ActionMark:
    """The dead letter at offset `of` of the same partition was redriven or purged `at` this time (ISO 8601)."""

    of: int
    state: DeadLetterState
    at: str


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """A record that leadart did not write; it is left alone."""

    at: Coordinates


def parse_record(record: Record) -> DeadLetterRecord | ActionMark | ForeignRecord:
    """Return what a record of the dead-letter topic is.

    Only the last block of our headers counts: the worker put it behind the publisher's, which may hold anything.
    """
    theirs, facts = split(record.headers)
    parsed = _letter(record, theirs, facts) if facts else _mark(record)
    return parsed or ForeignRecord(Coordinates(record.partition, record.offset))


def _letter(
    record: Record, theirs: tuple[tuple[str, bytes | None], ...], facts: Mapping[str, str]
) -> DeadLetterRecord | None:
    if not all(name.startswith(OURS) for name in facts):
        return None
    try:
        original = Record(
            topic=facts["leadart-topic"],
            partition=int(facts["leadart-partition"]),
            offset=int(facts["leadart-offset"]),
            key=record.key,
            value=None if "leadart-null-value" in facts else record.value,
            headers=theirs,
            timestamp_ms=int(facts["leadart-timestamp"]),
        )
    except (KeyError, ValueError):
        return None
    return DeadLetterRecord(Coordinates(record.partition, record.offset), record.timestamp_ms, original, facts)


def _mark(record: Record) -> ActionMark | None:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    if [name for name, _ in record.headers] != [MARK, MARK_OF, MARK_AT]:
        return None
    try:
        of, state = Coordinates.parse(headers[MARK_OF]), DeadLetterState(headers[MARK])
    except ValueError:
        return None
    return ActionMark(of.offset, state, headers[MARK_AT]) if of.partition == record.partition else None


def build_mark(letter: DeadLetterRecord, topic: str, state: DeadLetterState, now: datetime) -> OutgoingRecord:
    """Return the record that marks, in the dead-letter `topic`, what was done about a dead letter."""
    values = {MARK: state.value, MARK_OF: str(letter.at), MARK_AT: format_time(now)}
    headers = tuple((name, text.encode()) for name, text in values.items())
    return OutgoingRecord(topic, letter.at.partition, letter.original.key, b"", headers)


def build_redriven(letter: DeadLetterRecord, original: Record, now: datetime) -> OutgoingRecord:
    """Return the original for its own topic and partition number, with headers that say it was redriven.

    They replace those of an earlier redrive.
    """
    headers = list(original.headers)
    while headers and headers[-1][0] in {REDRIVEN, REDRIVEN_AT}:
        headers.pop()
    ours = ((REDRIVEN, str(letter.at).encode()), (REDRIVEN_AT, format_time(now).encode()))
    return OutgoingRecord(original.topic, original.partition, original.key, original.value, (*headers, *ours))


def format_time(moment: datetime) -> str:
    """Format a moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def format_time_ms(milliseconds: int) -> str:
    """Format milliseconds since 1970 as ISO 8601; a number that is no date, as a number."""
    try:
        return format_time(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
