"""The books of one partition: what was delivered, what is finished, what may be committed.

Records finish out of order. The commit is the lowest offset that is not finished; what is finished above it goes into
the commit's metadata as a bitmap, so that the next owner does not repeat it. Offsets are told apart by being
*delivered*, never by arithmetic: control markers, aborted copies and compaction leave gaps.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from consumer.kafka.bus import Progress

MAX_RECORDS = 1024
"""Records above the lowest unfinished one, finished or not, at which admission stops."""

MAX_SPAN = 16_384
"""Offsets above the lowest unfinished one at which admission stops: its bitmap is 2.8 of the broker's 4 KB."""

VERSION = "v1"


class ProgressUnreadable(ValueError):
    """The commit's metadata is not ours or does not fit its offset."""


def encode_metadata(base: int, finished: frozenset[int] | set[int]) -> str:
    """Write the finished offsets at or above `base` as `v1:<base>:<base64 bitmap>`; none at all is an empty string."""
    if not finished:
        return ""
    bits = 0
    for offset in finished:
        bits |= 1 << (offset - base)
    bitmap = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return f"{VERSION}:{base}:{base64.b64encode(bitmap).decode()}"


def decode_metadata(progress: Progress) -> set[int]:
    """Read the finished offsets back. Raises `ProgressUnreadable` rather than guess: a wrong guess doubles outcomes."""
    if not progress.metadata:
        return set()
    version, _, rest = progress.metadata.partition(":")
    base, _, encoded = rest.partition(":")
    if version != VERSION or not base.isascii() or not base.isdecimal():
        raise ProgressUnreadable(f"metadata {progress.metadata[:40]!r} is not leadart's")
    if int(base) != progress.offset:
        raise ProgressUnreadable(f"metadata is for offset {base}, but the commit is at {progress.offset}")
    try:
        bitmap = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProgressUnreadable(f"the bitmap is not base64: {error}") from error
    if len(bitmap) > MAX_SPAN // 8:
        raise ProgressUnreadable(f"the bitmap has {len(bitmap)} bytes")
    bits = int.from_bytes(bitmap, "little")
    return {progress.offset + index for index in range(bits.bit_length()) if bits >> index & 1}


@dataclass(slots=True)
class Ledger:
    """One partition's books within one epoch of its owner."""

    committed: Progress
    next_offset: int
    unfinished: dict[int, None] = field(default_factory=dict)
    """Delivered and not finished; the first key is the lowest, because records are delivered in their order."""
    finished: set[int] = field(default_factory=set)

    @classmethod
    def restore(cls, progress: Progress) -> Ledger:
        """Open the books where the group left them. Raises `ProgressUnreadable`."""
        return cls(progress, progress.offset, finished=decode_metadata(progress))

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
        self.finished.add(offset)

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

    def close_up(self) -> Progress:
        """Return what to commit now, and forget the finished offsets below the lowest."""
        lowest = self.lowest
        self.finished = {offset for offset in self.finished if offset >= lowest}
        return Progress(lowest, encode_metadata(lowest, self.finished))

    @property
    def idle(self) -> bool:
        """True when all that was read is finished."""
        return not self.unfinished and not self.finished

    @property
    def full(self) -> bool:
        """True when no further record may be read until the lowest one is finished.

        With nothing unfinished it is never full: restored bits may span it all, and only reading on frees them.
        """
        crowded = len(self.unfinished) + len(self.finished) >= MAX_RECORDS
        return bool(self.unfinished) and (crowded or self.next_offset - self.lowest >= MAX_SPAN)
