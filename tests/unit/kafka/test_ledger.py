"""The books of one partition."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.bus import Progress
from consumer.kafka.ledger import (
    MAX_RECORDS,
    MAX_SPAN,
    Ledger,
    ProgressUnreadable,
    decode_metadata,
    encode_metadata,
)

GAPPY = st.lists(st.integers(1, 5), min_size=1, max_size=60)


def offsets_of(steps: list[int], base: int) -> list[int]:
    offsets = [base]
    for step in steps:
        offsets.append(offsets[-1] + step)
    return offsets


@given(base=st.integers(0, 2**40), above=st.sets(st.integers(0, MAX_SPAN - 1), max_size=200))
def test_metadata_round_trips(base: int, above: set[int]) -> None:
    """What is written into a commit's metadata is read back, whatever is finished."""
    finished = {base + offset for offset in above}

    assert decode_metadata(Progress(base, encode_metadata(base, finished))) == finished


@given(st.text(max_size=60))
def test_foreign_metadata_is_refused_or_empty(text: str) -> None:
    """Metadata that somebody else wrote is never taken for finished records."""
    try:
        assert decode_metadata(Progress(5, text)) == set()
    except ProgressUnreadable:
        assert text


def test_metadata_of_another_offset_is_refused() -> None:
    """A bitmap whose base is not the committed offset would mark the wrong records as finished."""
    with pytest.raises(ProgressUnreadable, match="offset 7"):
        decode_metadata(Progress(8, encode_metadata(7, {9})))


def test_a_full_bitmap_fits_the_brokers_limit() -> None:
    """The largest metadata the worker writes stays well below the broker's 4 KB."""
    everything = set(range(MAX_SPAN))

    assert len(encode_metadata(0, everything)) < 2_800


def test_an_oversized_bitmap_is_refused() -> None:
    """A bitmap larger than any the worker writes is not the worker's."""
    bitmap = base64.b64encode(b"\xff" * (MAX_SPAN // 8 + 1)).decode()
    with pytest.raises(ProgressUnreadable):
        decode_metadata(Progress(0, f"v1:0:{bitmap}"))


@given(steps=GAPPY, order=st.randoms(use_true_random=False), crash_after=st.integers(0, 60))
def test_no_record_is_lost_or_repeated_over_a_crash(steps: list[int], order: object, crash_after: int) -> None:
    """Finish in any order over gaps, crash, restore: each record is worked on exactly once after the restore."""
    offsets = offsets_of(steps, base=3)
    ledger = Ledger.restore(Progress(3, ""))
    for offset in offsets:
        assert ledger.deliver(offset)
    shuffled = list(offsets)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    done = set(shuffled[:crash_after])
    for offset in shuffled[:crash_after]:
        ledger.finish(offset)

    restored = Ledger.restore(ledger.close_up())
    redelivered = [offset for offset in offsets if offset >= restored.next_offset]

    assert {offset for offset in redelivered if restored.deliver(offset)} == set(offsets) - done


def test_bits_above_unread_records_do_not_move_the_commit() -> None:
    """After a reopen nothing is in hand, but finished bits may lie above records that were not read yet."""
    restored = Ledger.restore(Progress(10, encode_metadata(10, {12})))

    assert restored.lowest == 10
    restored.deliver(10)
    restored.finish(10)
    assert restored.close_up().offset == 11
    assert decode_metadata(restored.close_up()) == {12}


def test_a_finished_record_read_again_is_not_worked_on() -> None:
    """A record whose bit is set is skipped, and the commit moves past it."""
    ledger = Ledger.restore(Progress(10, encode_metadata(10, {10, 11})))

    assert [ledger.deliver(offset) for offset in (10, 11, 12)] == [False, False, True]
    assert ledger.lowest == 12


def test_admission_stops_before_the_books_overflow() -> None:
    """One stuck record stops admission after so many records above it, and after so many offsets."""
    crowded, spread = Ledger.restore(Progress(0, "")), Ledger.restore(Progress(0, ""))
    for offset in range(MAX_RECORDS):
        crowded.deliver(offset)
        if offset:
            crowded.finish(offset)
    spread.deliver(0)
    spread.deliver(MAX_SPAN)

    assert crowded.full
    assert spread.full


def test_a_restored_bitmap_never_blocks_reading() -> None:
    """With nothing unfinished the books are not full, however far the restored bits reach: only reading frees them."""
    restored = Ledger.restore(Progress(0, encode_metadata(0, set(range(1, MAX_SPAN)))))

    assert not restored.full


def test_a_record_beyond_the_bitmap_waits() -> None:
    """A record above a huge gap cannot be finished before the lowest is: it would not fit the metadata."""
    ledger = Ledger.restore(Progress(0, ""))
    ledger.deliver(0)
    ledger.deliver(10 * MAX_SPAN)

    assert not ledger.can_finish(10 * MAX_SPAN)
    ledger.finish(0)
    assert ledger.can_finish(10 * MAX_SPAN)


def test_idle_books_move_past_control_markers() -> None:
    """Where all that was read is finished, the position itself is committed, so that an idle lane shows no lag."""
    ledger = Ledger.restore(Progress(4, ""))
    assert ledger.idle
    ledger.skip_to(6)

    assert ledger.close_up() == Progress(6, "")
