"""Where a reader stands in the topics: what an event of a stream carries as its id, to go on from there later."""

import re
from collections.abc import Iterator, Mapping

from consumer.delivery.ports import Partition
from schemas import names

TOPIC_LETTERS = {"r": names.REQUESTED, "b": names.BACKFILL, "o": names.OUTCOME}
"""Topics whose records are never missed. Progress is not among them: it may get lost."""

_LETTERS = {base: letter for letter, base in TOPIC_LETTERS.items()}
_PART = re.compile(r"([rbo])([0-9]{1,9})-([0-9]{1,19})")
MOST_CHARACTERS = 16_000


class StreamPosition:
    """The next offset of each partition of those topics, by base name. Only grows."""

    def __init__(self, offsets: Mapping[Partition, int] | None = None) -> None:
        self._offsets = dict(offsets or {})

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._offsets)

    def has(self, partition: Partition, offset: int) -> bool:
        """Return whether the record was read already."""
        return offset < self._offsets.get(partition, 0)

    def advance(self, partition: Partition, offset: int) -> None:
        """Note that the record was read."""
        self._offsets[partition] = max(offset + 1, self._offsets.get(partition, 0))

    def next_offset(self, partition: Partition) -> int | None:
        """Return the next offset to read; None if nothing was read of the partition."""
        return self._offsets.get(partition)

    def is_before(self, other: "StreamPosition") -> bool:
        """Return whether the other has more of any partition."""
        return any((other.next_offset(partition) or 0) > (self.next_offset(partition) or 0) for partition in other)

    def encode(self) -> str:
        """Return it as an event id, such as `o0-12_r0-15`."""
        parts = [(_LETTERS[at.topic], at.number, offset) for at, offset in self._offsets.items()]
        return "_".join(f"{letter}{number}-{offset}" for letter, number, offset in sorted(parts))


def parse_position(text: str) -> StreamPosition:
    """Return the position of an event id. Raises `ValueError` for anything else."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError("no event id of this gateway: too long")
    matches = [_PART.fullmatch(part) for part in text.split("_")]
    if not all(matches):
        raise ValueError("no event id of this gateway")
    return StreamPosition(
        {Partition(TOPIC_LETTERS[match[1]], int(match[2])): int(match[3]) for match in matches if match is not None}
    )
