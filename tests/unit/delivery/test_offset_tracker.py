"""The offsets of one partition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.offset_metadata import MAX_SPAN, Exposure, OffsetMetadata, read_metadata, write_metadata
from consumer.delivery.offset_tracker import MAX_RECORDS, OffsetTracker
from consumer.delivery.ports import CommittedOffset

GAPPY = st.lists(st.integers(1, 5), min_size=1, max_size=60)


def offsets_of(steps: list[int], base: int) -> list[int]:
    offsets = [base]
    for step in steps:
        offsets.append(offsets[-1] + step)
    return offsets


@given(steps=GAPPY, order=st.randoms(use_true_random=False), crash_after=st.integers(0, 60))
def test_no_record_is_lost_or_repeated_over_a_crash(steps: list[int], order: object, crash_after: int) -> None:
    """Finish in any order over gaps, crash, restore: each record is worked on exactly once after the restore."""
    offsets = offsets_of(steps, base=3)
    tracker = OffsetTracker.restore(CommittedOffset(3, "v1:3:"))
    for offset in offsets:
        assert tracker.deliver(offset)
    shuffled = list(offsets)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    done = set(shuffled[:crash_after])
    for offset in shuffled[:crash_after]:
        tracker.finish(offset)

    restored = OffsetTracker.restore(tracker.to_commit())
    redelivered = [offset for offset in offsets if offset >= restored.next_offset]

    assert {offset for offset in redelivered if restored.deliver(offset)} == set(offsets) - done


def test_bits_above_unread_records_do_not_move_the_commit() -> None:
    """After a reopen nothing is in flight, but finished bits may lie above records that were not read yet."""
    restored = OffsetTracker.restore(CommittedOffset(10, write_metadata(10, OffsetMetadata({12}))))

    assert restored.lowest == 10
    restored.deliver(10)
    restored.finish(10)
    assert restored.to_commit().offset == 11
    assert read_metadata(restored.to_commit()).finished == {12}


def test_a_finished_record_read_again_is_not_worked_on() -> None:
    """A record whose bit is set is skipped, and the commit moves past it."""
    tracker = OffsetTracker.restore(CommittedOffset(10, write_metadata(10, OffsetMetadata({10, 11}))))

    assert [tracker.deliver(offset) for offset in (10, 11, 12)] == [False, False, True]
    assert tracker.lowest == 12


def test_a_lane_that_ends_in_finished_records_is_idle() -> None:
    """When all that was left to read was finished by an earlier owner, the commit may move past it at once."""
    tracker = OffsetTracker.restore(CommittedOffset(10, write_metadata(10, OffsetMetadata({10, 11}))))
    idle = [tracker.idle]
    for offset in (10, 11):
        tracker.deliver(offset)
        idle.append(tracker.idle)

    assert idle == [False, False, True]
    assert tracker.to_commit() == CommittedOffset(12, "v1:12:")


def test_admission_stops_before_the_tracker_overflows() -> None:
    """One stuck record stops admission after `MAX_RECORDS` records above it, and after `MAX_SPAN` offsets."""
    crowded, spread = (
        OffsetTracker.restore(CommittedOffset(0, "v1:0:")),
        OffsetTracker.restore(CommittedOffset(0, "v1:0:")),
    )
    for offset in range(MAX_RECORDS):
        crowded.deliver(offset)
        if offset:
            crowded.finish(offset)
        assert crowded.half_full == (offset + 1 >= MAX_RECORDS // 2)
    spread.deliver(0)
    spread.deliver(MAX_SPAN)

    assert crowded.full
    assert spread.full
    assert spread.half_full


def test_a_restored_bitmap_never_blocks_reading() -> None:
    """With nothing unfinished the tracker is not full, however far the restored bits reach: only reading frees them."""
    restored = OffsetTracker.restore(CommittedOffset(0, write_metadata(0, OffsetMetadata(set(range(1, MAX_SPAN))))))

    assert not restored.full


def test_a_record_beyond_the_bitmap_waits() -> None:
    """A record above a huge gap cannot be finished before the lowest is: it would not fit the metadata."""
    tracker = OffsetTracker.restore(CommittedOffset(0, "v1:0:"))
    tracker.deliver(0)
    tracker.deliver(10 * MAX_SPAN)

    assert not tracker.can_finish(10 * MAX_SPAN)
    tracker.finish(0)
    assert tracker.can_finish(10 * MAX_SPAN)


def test_an_idle_tracker_moves_past_control_markers() -> None:
    """Where all that was read is finished, the position itself is committed, so that an idle lane shows no lag."""
    tracker = OffsetTracker.restore(CommittedOffset(4, "v1:4:"))
    assert tracker.idle
    tracker.skip_to(6)

    assert tracker.to_commit() == CommittedOffset(6, "v1:6:")


def test_an_owner_that_leaves_in_order_keeps_only_the_deaths() -> None:
    """Leaving takes back who is in the engine; the deaths that a record was in stay with it until it is finished."""
    exposures = {1: Exposure(1, in_engine=True), 2: Exposure(0, in_engine=True)}
    tracker = OffsetTracker.restore(CommittedOffset(0, write_metadata(0, OffsetMetadata(exposures=exposures))))
    for offset in range(3):
        tracker.deliver(offset)
    tracker.exposure.leave_all()

    assert read_metadata(tracker.to_commit()).exposures == {1: Exposure(1, in_engine=False)}
    tracker.finish(1)
    assert read_metadata(tracker.to_commit()).exposures == {}


@given(gaps=st.lists(st.integers(1, 2_000_000), min_size=1, max_size=8))
def test_every_exposure_can_be_read_back(gaps: list[int]) -> None:
    """However far the log's gaps put two records apart, what is committed of them is readable."""
    tracker = OffsetTracker.restore(CommittedOffset(100, "v1:100:"))
    for offset in offsets_of(gaps, base=100):
        tracker.deliver(offset)
        tracker.exposure.enter(offset, tracker.lowest)

    assert OffsetTracker.restore(tracker.to_commit()).exposure.records == tracker.exposure.records
