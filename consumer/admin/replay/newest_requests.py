"""The newest request of each article and slot. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from consumer.delivery.heads import Slot


class SlotRequest(NamedTuple):
    """A request for a slot, ordered by revision, then by time written, then by position.

    `chosen`: it meets the filters. `pictures`: the number it asks for.
    """

    revision: int
    timestamp_ms: int
    partition: int
    offset: int
    chosen: bool = True
    pictures: int = 1


class NewestRequests:
    """Keeps one request for each slot: a few hundred bytes each, however many requests are offered."""

    def __init__(self) -> None:
        self._slots: dict[Slot, SlotRequest] = {}

    def offer(self, slot: Slot, request: SlotRequest) -> None:
        """Keep the request if it is the newest of its slot; the order of the offers does not matter."""
        kept = self._slots.get(slot)
        if kept is None or kept[:4] < request[:4]:
            self._slots[slot] = request

    def __iter__(self) -> Iterator[tuple[Slot, SlotRequest]]:
        return iter(self._slots.items())

    def per_partition(self) -> dict[int, list[SlotRequest]]:
        """Return the chosen requests of each partition, in offset order."""
        chosen: defaultdict[int, list[SlotRequest]] = defaultdict(list)
        for request in self._slots.values():
            if request.chosen:
                chosen[request.partition].append(request)
        return {partition: sorted(chosen[partition], key=lambda one: one.offset) for partition in sorted(chosen)}
