"""The books of one partition: what was delivered, what is finished, what is at risk, what may be committed.

Records finish out of order. The commit is the lowest offset that is not finished; what is finished above it goes into
the commit's metadata, so that the next owner does not repeat it. Offsets are told apart by being *delivered*, never by
arithmetic: control markers, aborted copies and compaction leave gaps.

Beside it the metadata names the records that are in the engine: should the process die, the next owner knows which
records may have killed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.delivery.offset_metadata import MAX_SPAN, EngineExposure, OffsetMetadata, read_metadata, write_metadata
from consumer.delivery.ports import CommittedOffset

MAX_RECORDS = 1024
"""Records above the lowest unfinished one, finished or not, at which admission stops."""

MAX_RISKS = 64
"""Records of one partition that may be in the engine at a time, or be remembered for having been in it at a death."""


@dataclass(slots=True)
class OffsetTracker:
    """One partition's books within one epoch of its owner."""

    committed: CommittedOffset
    next_offset: int
    unfinished: dict[int, None] = field(default_factory=dict)
    """Delivered and not finished; the first key is the lowest, because records are delivered in their order."""
    finished: set[int] = field(default_factory=set)
    risks: dict[int, EngineExposure] = field(default_factory=dict)
    """Records in the engine, and those that were in it when a process died."""
    trouble: str = ""
    """What kept the last owner from working, as it told the group."""

    @classmethod
    def restore(cls, progress: CommittedOffset) -> OffsetTracker:
        """Open the books where the group left them. Raises `MetadataUnreadable`."""
        note = read_metadata(progress)
        return cls(progress, progress.offset, {}, set(note.finished), dict(note.risks), note.trouble)

    def deliver(self, offset: int) -> bool:
        """Take note of a record read; True if it is still to be worked on."""
        if offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        if offset in self.finished:
            return False
        self.unfinished[offset] = None
        return True

    def can_finish(self, offset: int) -> bool:
        """True if the offset still fits the bitmap: a gap in the log may put it too far above the lowest."""
        return offset == self.lowest or offset - self.lowest < MAX_SPAN

    def finish(self, offset: int) -> None:
        """Take note that a delivered record's outcome is in the transaction being committed."""
        del self.unfinished[offset]
        self.risks.pop(offset, None)
        self.finished.add(offset)

    def expose(self, offset: int) -> bool:
        """Take note that a record enters the engine; False when the metadata could not hold it."""
        known = self.risks.get(offset)
        if known is None and (len(self.risks) >= MAX_RISKS or offset - self.lowest >= MAX_SPAN):
            return False
        self.risks[offset] = EngineExposure(known.deaths if known else 0, exposed=True)
        return True

    def spare(self, offset: int) -> bool:
        """Take note that a record is not in the engine any more; True if it was."""
        risk = self.risks.get(offset)
        if risk is None or not risk.exposed:
            return False
        if risk.deaths:
            self.risks[offset] = EngineExposure(risk.deaths, exposed=False)
        else:
            del self.risks[offset]
        return True

    def calm(self) -> None:
        """Take note that nothing is in the engine: the owner leaves in order, so its records are not to blame."""
        for offset in list(self.risks):
            self.spare(offset)

    def deaths(self, offset: int) -> int:
        """How many processes died with this record in their engine."""
        return self.risks[offset].deaths if offset in self.risks else 0

    def skip_to(self, position: int) -> None:
        """Take note that everything below `position` was read: what was not delivered are control markers."""
        self.next_offset = max(self.next_offset, position)

    @property
    def lowest(self) -> int:
        """The lowest offset that is not finished.

        Nothing unfinished does not mean that all finished offsets are below: after a restore, bits may lie above
        records that have not been read yet. So the next offset to be delivered counts as unfinished.
        """
        return next(iter(self.unfinished), self.next_offset)

    def close_up(self, trouble: str = "") -> CommittedOffset:
        """Return what to commit now, and forget the finished offsets below the lowest.

        `trouble` is told to whoever reads the group's offsets: what keeps this worker from working, as a reason code.
        """
        lowest = self.lowest
        self.finished = {offset for offset in self.finished if offset >= lowest}
        self.risks = {offset: risk for offset, risk in self.risks.items() if offset >= lowest}
        return CommittedOffset(
            lowest, write_metadata(lowest, OffsetMetadata(frozenset(self.finished), self.risks, trouble))
        )

    @property
    def idle(self) -> bool:
        """True when all that was read is finished, and nothing that was not read yet."""
        return not self.unfinished and all(offset < self.next_offset for offset in self.finished)

    @property
    def full(self) -> bool:
        """True when no further record may be read until the lowest one is finished.

        With nothing unfinished it is never full: restored bits may span it all, and only reading on frees them.
        """
        crowded = len(self.unfinished) + len(self.finished) >= MAX_RECORDS
        return bool(self.unfinished) and (crowded or self.next_offset - self.lowest >= MAX_SPAN)
