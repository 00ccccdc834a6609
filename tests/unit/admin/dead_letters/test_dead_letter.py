"""Records of the dead-letter topic are parsed for what they are, whatever their publisher wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.dead_letters.dead_letter import (
    ActionMark,
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    ForeignRecord,
    build_mark,
    build_redriven,
    format_time_ms,
    parse_record,
)
from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import Reason, names

OURS = [
    *(f"leadart-{name}" for name in ("topic", "partition", "offset", "timestamp", "reason", "attempts", "omitted")),
    *("leadart-null-value", "leadart-first-seen", "leadart-redriven", "leadart-redriven-at"),
    *("leadart-mark", "leadart-mark-of", "leadart-mark-at"),
]
TEXTS = st.sampled_from([b"article-image-requested", b"redriven", b"purged", b"3:7", b"7", b"-1", b"", b"\xff"])
HEADERS = st.lists(
    st.tuples(st.sampled_from(OURS) | st.text(max_size=10), st.none() | TEXTS | st.binary(max_size=20)), max_size=12
).map(tuple)
RECORDS = st.builds(
    Record,
    topic=st.sampled_from([names.REQUESTED, names.BACKFILL]),
    partition=st.just(3),
    offset=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200),
    headers=HEADERS,
    timestamp_ms=st.integers(0, 2**41),
)
NOW = datetime(2031, 5, 17, 8, 0, tzinfo=UTC)
REFUSED = Rejected(Reason.INVALID_FIELD, "`output.width` is 5000: ask for fewer pixels.", field="output.width")


def dead(record: Record, *, whole: bool = True) -> OutgoingRecord:
    """Return the dead letter that the worker writes of a record; without its value if that was too large."""
    settlement = OutcomeBuilder(Settings()).failed(RetryState(record, 2, 5), REFUSED)
    return (settlement if whole else settlement.fall_back()).records[-1]


def kept(letter: OutgoingRecord, offset: int = 7) -> Record:
    """Return a letter as it is read from the dead-letter topic."""
    return Record(letter.topic, letter.partition, offset, letter.key, letter.value, letter.headers, 1_000)


def read_letter(record: Record) -> DeadLetterRecord:
    entry = parse_record(record)
    assert isinstance(entry, DeadLetterRecord)
    return entry


@given(RECORDS)
def test_the_original_comes_back_as_it_was(record: Record) -> None:
    """Key, value, headers and coordinates are the publisher's to the byte, whatever `leadart-*` headers it sent."""
    letter = read_letter(kept(dead(record)))

    assert letter.original == record
    assert letter.reason == "invalid_field"
    facts = {name.removeprefix("leadart-"): text for name, text in letter.facts.items()}
    assert (facts["field"], facts["attempts"], facts["first-seen"]) == ("output.width", "3", "5")
    assert (letter.at, letter.kept_ms, letter.omitted) == (Coordinates(3, 7), 1_000, False)


@given(RECORDS)
def test_a_letter_without_its_value_says_so(record: Record) -> None:
    """A letter that holds only the key is never taken for an empty original."""
    letter = read_letter(kept(dead(record, whole=False)))

    assert letter.omitted
    assert (letter.original.key, letter.original.headers) == (record.key, ())


@given(RECORDS, st.sampled_from([DeadLetterState.REDRIVEN, DeadLetterState.PURGED]))
def test_a_mark_is_read_as_it_was_written(record: Record, state: DeadLetterState) -> None:
    """A mark names its letter and what was done, and is written to the letter's partition under its key."""
    letter = read_letter(kept(dead(record)))
    mark = build_mark(letter, names.DEAD_LETTER, state, NOW)

    assert parse_record(kept(mark, 9)) == ActionMark(7, state, "2031-05-17T08:00:00Z")
    assert (mark.topic, mark.partition, mark.key, mark.value) == (names.DEAD_LETTER, 3, record.key, b"")


@given(RECORDS)
def test_what_is_redriven_is_the_original(record: Record) -> None:
    """The lane gets the original key, value and headers, followed once by where it was redriven from and when."""
    ours = {"leadart-redriven", "leadart-redriven-at"}
    theirs = list(record.headers)
    while theirs and theirs[-1][0] in ours:
        theirs.pop()
    letter = read_letter(kept(dead(record)))
    once = build_redriven(letter, letter.original, NOW)

    assert (once.topic, once.partition, once.key, once.value) == (record.topic, 3, record.key, record.value)
    ours_once = (("leadart-redriven", b"3:7"), ("leadart-redriven-at", b"2031-05-17T08:00:00Z"))
    assert once.headers == (*theirs, *ours_once)

    again = replace(record, headers=once.headers)
    later = read_letter(kept(dead(again), 8))
    assert build_redriven(later, later.original, NOW).headers == (*theirs, ("leadart-redriven", b"3:8"), ours_once[1])


@given(HEADERS)
def test_any_record_in_the_topic_can_be_parsed(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """A record from anybody is a letter, a mark or a foreign record, and never an error."""
    entry = parse_record(Record(names.DEAD_LETTER, 3, 9, b"k", b"v", headers, 1_000))

    assert isinstance(entry, DeadLetterRecord | ActionMark | ForeignRecord)


FOREIGN = [
    (),
    (("leadart-mark", b"redriven"), ("leadart-mark-of", b"2:7"), ("leadart-mark-at", b"")),
    (("leadart-mark", b"forgotten"), ("leadart-mark-of", b"3:7"), ("leadart-mark-at", b"")),
    (("leadart-topic", b"x"), ("leadart-partition", b"3")),
    (*dead(Record("x", 3, 1, b"k", b"v", (), 1)).headers, ("other", b"")),
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_leadart_did_not_write_is_foreign(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """No headers of ours, a mark of another partition or of no known kind, a block that is not ours alone."""
    assert parse_record(Record(names.DEAD_LETTER, 3, 9, b"k", b"v", headers, 1_000)) == ForeignRecord(Coordinates(3, 9))


@given(st.integers(0, 2**31), st.integers(0, 2**62))
def test_coordinates_are_read_as_they_are_written(partition: int, offset: int) -> None:
    """PARTITION:OFFSET goes both ways."""
    at = Coordinates(partition, offset)

    assert Coordinates.parse(str(at)) == at


@pytest.mark.parametrize("text", ["", "3", "3:", ":7", "3:-7", "3:7:1", "3:\u0667", "a:b", "3:" + "9" * 30])
def test_other_coordinates_are_refused(text: str) -> None:
    """Anything that is not two plain numbers is answered with an example."""
    with pytest.raises(ValueError, match="such as 3:1042"):
        Coordinates.parse(text)


def test_a_timestamp_that_is_no_date_is_shown_as_a_number() -> None:
    """A record's timestamp may be any number; formatting it never fails."""
    assert format_time_ms(0) == "1970-01-01T00:00:00Z"
    assert format_time_ms(2**62) == f"{2**62} ms"
