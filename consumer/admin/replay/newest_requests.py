"""The newest request of each article and slot. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.delivery.heads import Slot


class SlotRequest(NamedTuple):
    """A request that may be the newest of its slot: compared by revision, then by what was written later.

    `chosen` if it meets the filters, `pictures` how many it asks for.
    """

    revision: int
    timestamp_ms: int
    partition: int
    offset: int
    chosen: bool = True
    pictures: int = 1


class NewestRequests:
    """Keeps one candidate of each slot: some hundred bytes, however many requests there are."""

    def __init__(self) -> None:
        self._slots: dict[Slot, SlotRequest] = {}

    def offer(self, slot: Slot, candidate: SlotRequest) -> None:
        """Take note of a request; the order in which they come does not matter."""
        kept = self._slots.get(slot)
        if kept is None or kept[:4] < candidate[:4]:
            self._slots[slot] = candidate

    def __iter__(self) -> Iterator[tuple[Slot, SlotRequest]]:
        return iter(self._slots.items())

    def per_partition(self) -> dict[int, list[SlotRequest]]:
        """Return the chosen ones of each partition, in the order of their offsets."""
        found: defaultdict[int, list[SlotRequest]] = defaultdict(list)
        for candidate in self._slots.values():
            if candidate.chosen:
                found[candidate.partition].append(candidate)
        return {partition: sorted(found[partition], key=lambda one: one.offset) for partition in sorted(found)}
