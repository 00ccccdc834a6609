"""The offsets of one partition: which records were delivered, which are finished, what may be committed.

Records finish out of order. The commit is the lowest unfinished offset; what is finished above it goes into the
commit's metadata, so that the next owner does not repeat it. An offset counts once it was *delivered*, never by
arithmetic: control markers, aborted copies and compaction leave gaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.delivery.engine_exposure import EngineExposure
from consumer.delivery.offset_metadata import MAX_SPAN, OffsetMetadata, read_metadata, write_metadata
from consumer.delivery.ports import CommittedOffset

MAX_RECORDS = 1024
"""Records above the lowest unfinished one, finished or not, at which admission stops."""


@dataclass(slots=True)
class OffsetTracker:
    """One partition's offsets within one epoch of its owner."""

    committed: CommittedOffset
    next_offset: int
    unfinished: dict[int, None] = field(default_factory=dict)
    """Delivered and not finished; the first key is the lowest, because records are delivered in order."""
    finished: set[int] = field(default_factory=set)
    exposure: EngineExposure = field(default_factory=EngineExposure)
    outage: str = ""
    """The reason code of what kept the last owner from working, as it committed it."""

    @classmethod
    def restore(cls, committed: CommittedOffset) -> OffsetTracker:
        """Start from what the group committed. Raises `MetadataUnreadable`."""
        metadata = read_metadata(committed)
        exposure = EngineExposure(metadata.exposures)
        return cls(committed, committed.offset, {}, set(metadata.finished), exposure, metadata.outage)

    def deliver(self, offset: int) -> bool:
        """Record a read; True if the record is still to be worked on."""
        if offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        if offset in self.finished:
            return False
        self.unfinished[offset] = None
        return True

    def can_finish(self, offset: int) -> bool:
        """Return whether the offset fits the bitmap: a gap in the log may put it too far above the lowest."""
        return offset == self.lowest or offset - self.lowest < MAX_SPAN

    def finish(self, offset: int) -> None:
        """Mark a delivered record finished: its result is in the transaction about to be committed."""
        del self.unfinished[offset]
        self.exposure.forget(offset)
        self.finished.add(offset)

    def skip_to(self, position: int) -> None:
        """Mark everything below `position` as read: what was not delivered there are control markers."""
        self.next_offset = max(self.next_offset, position)

    def skip_deleted(self, start: int) -> int:
        """Go on from the log's `start` if it is further on; return how many offsets in between were not finished."""
        skipped = range(self.next_offset, start)
        self.next_offset = max(self.next_offset, start)
        return len(skipped) - sum(offset in skipped for offset in self.finished)

    @property
    def lowest(self) -> int:
        """The lowest unfinished offset.

        With nothing unfinished it is the next offset to be delivered: after a restore, finished offsets may lie above
        records that have not been read yet.
        """
        return next(iter(self.unfinished), self.next_offset)

    def to_commit(self, outage: str = "") -> CommittedOffset:
        """Return what to commit now, and forget what lies below it.

        `outage`, the reason code of what keeps this worker from working, is for readers of the group's offsets.
        """
        lowest = self.lowest
        self.finished = {offset for offset in self.finished if offset >= lowest}
        self.exposure.forget_below(lowest)
        metadata = OffsetMetadata(frozenset(self.finished), self.exposure.records, outage)
        return CommittedOffset(lowest, write_metadata(lowest, metadata))

    @property
    def idle(self) -> bool:
        """True when all that was read is finished, and nothing above it is."""
        return not self.unfinished and all(offset < self.next_offset for offset in self.finished)

    @property
    def full(self) -> bool:
        """True when no further record may be read until the lowest one is finished.

        With nothing unfinished it is never full: restored bits may fill the span, and only reading on frees them.
        """
        return self._filled(1.0)

    @property
    def half_full(self) -> bool:
        """True when half of what makes it full is there."""
        return self._filled(0.5)

    def _filled(self, share: float) -> bool:
        crowded = len(self.unfinished) + len(self.finished) >= share * MAX_RECORDS
        return bool(self.unfinished) and (crowded or self.next_offset - self.lowest >= share * MAX_SPAN)
