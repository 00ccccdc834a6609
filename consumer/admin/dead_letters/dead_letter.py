"""What lies in the dead-letter topic, as values: letters, and the marks behind them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import split
from consumer.jobs import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS: Final = "leadart-"
MARK: Final = "leadart-mark"
MARK_OF: Final = "leadart-mark-of"
MARK_AT: Final = "leadart-mark-at"
REDRIVEN: Final = "leadart-redriven"
REDRIVEN_AT: Final = "leadart-redriven-at"


class DeadLetterState(StrEnum):
    """What was done about a letter."""

    OPEN = "open"
    REDRIVEN = "redriven"
    PURGED = "purged"


class Coordinates(NamedTuple):
    """Where a letter lies in the dead-letter topic, written PARTITION:OFFSET."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Coordinates:
        """Read them back. Raises `ValueError` with a sentence."""
        partition, _, offset = text.partition(":")
        if not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in (partition, offset)):
            raise ValueError(f"{text[:40]!a} is not PARTITION:OFFSET, such as 3:1042.")
        return cls(int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A record that got no picture: `original` as its publisher wrote it, at the coordinates it was first read from.

    `told` is what the worker noted, by header name; `kept_ms` when, in milliseconds since 1970.
    """

    at: Coordinates
    kept_ms: int
    original: Record
    told: Mapping[str, str]

    @property
    def reason(self) -> str:
        """The stable code of what was wrong; one of `schemas.Reason`, unless a newer worker wrote it."""
        return self.told.get("leadart-reason", "")

    @property
    def omitted(self) -> bool:
        """True if only the key was kept: value and headers are still where they were, if anywhere."""
        return "leadart-omitted" in self.told


@dataclass(frozen=True, slots=True)
class ActionMark:
    """A note that a letter of the same partition was redriven or purged, and when (ISO 8601)."""

    of: int
    state: DeadLetterState
    at: str


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """A record that leadart did not write; it is left alone."""

    at: Coordinates


def read(record: Record) -> DeadLetterRecord | ActionMark | ForeignRecord:
    """Tell what a record of the dead-letter topic is.

    Only the last block of our headers counts: the worker put it behind the publisher's, which may hold anything.
    """
    theirs, told = split(record.headers)
    if not told:
        return _mark(record) or ForeignRecord(Coordinates(record.partition, record.offset))
    return _letter(record, theirs, told) or ForeignRecord(Coordinates(record.partition, record.offset))


def _letter(
    record: Record, theirs: tuple[tuple[str, bytes | None], ...], told: Mapping[str, str]
) -> DeadLetterRecord | None:
    if not all(name.startswith(OURS) for name in told):
        return None
    try:
        original = Record(
            topic=told["leadart-topic"],
            partition=int(told["leadart-partition"]),
            offset=int(told["leadart-offset"]),
            key=record.key,
            value=None if "leadart-null-value" in told else record.value,
            headers=theirs,
            timestamp_ms=int(told["leadart-timestamp"]),
        )
    except (KeyError, ValueError):
        return None
    return DeadLetterRecord(Coordinates(record.partition, record.offset), record.timestamp_ms, original, told)


def _mark(record: Record) -> ActionMark | None:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    if [name for name, _ in record.headers] != [MARK, MARK_OF, MARK_AT]:
        return None
    try:
        of, state = Coordinates.parse(headers[MARK_OF]), DeadLetterState(headers[MARK])
    except ValueError:
        return None
    return ActionMark(of.offset, state, headers[MARK_AT]) if of.partition == record.partition else None


def mark(letter: DeadLetterRecord, topic: str, state: DeadLetterState, now: datetime) -> OutgoingRecord:
    """Return the record that notes, in the dead-letter `topic`, what was done about a letter."""
    told = {MARK: state.value, MARK_OF: str(letter.at), MARK_AT: iso(now)}
    headers = tuple((name, text.encode()) for name, text in told.items())
    return OutgoingRecord(topic, letter.at.partition, letter.original.key, b"", headers)


def redriven(letter: DeadLetterRecord, original: Record, now: datetime) -> OutgoingRecord:
    """Return the original for its own topic and partition number, saying behind its headers that it was redriven.

    What an earlier redrive said there is replaced.
    """
    headers = list(original.headers)
    while headers and headers[-1][0] in {REDRIVEN, REDRIVEN_AT}:
        headers.pop()
    told = ((REDRIVEN, str(letter.at).encode()), (REDRIVEN_AT, iso(now).encode()))
    return OutgoingRecord(original.topic, original.partition, original.key, original.value, (*headers, *told))


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def iso_ms(milliseconds: int) -> str:
    """Write milliseconds since 1970 likewise; a number that is no such moment as it is."""
    try:
        return iso(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
