"""Which slots have failed, as the CMS was told last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from consumer.delivery.heads import Slot
from consumer.delivery.ports import Partition
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.jobs import Record
    from consumer.kafka.partition_reader import PartitionReader


class SlotOutcomes:
    """The state of each slot: its outcome with the highest revision, of equal ones the last. Pure."""

    def __init__(self) -> None:
        self._states: dict[Slot, tuple[int, bool]] = {}

    def note(self, record: Record) -> None:
        """Take note of an outcome. One that names no revision or slot is about no valid request."""
        kind = dict(record.headers).get("ce_type")
        try:
            told: Any = json.loads(record.value or b"")
            slot, revision = Slot(told["article"]["id"], told["slot"]), told["article"]["revision"]
        except (KeyError, TypeError, ValueError):
            return
        if isinstance(revision, int) and slot.name and self._states.get(slot, (-1, False))[0] <= revision:
            self._states[slot] = (revision, kind == names.IMAGE_FAILED.encode())

    @property
    def failed(self) -> Mapping[Slot, int]:
        """The revision of each slot whose state is a failure."""
        return {slot: revision for slot, (revision, failed) in self._states.items() if failed}


async def failed_slots(
    reader: PartitionReader, topic: str, partitions: int, watch: Callable[[float], None]
) -> Mapping[Slot, int]:
    """Read the outcome topic, which has so many partitions, to its end. Raises `BusError` and `Fatal`."""
    states = SlotOutcomes()
    for partition in range(partitions):
        tp = Partition(topic, partition)
        span = await reader.span(tp)
        async for record in reader.records(tp, span):
            watch((partition + (record.offset - span.start) / len(span)) / partitions)
            states.note(record)
    return states.failed
