"""Which slots have failed, by the last outcome that the CMS received."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from consumer.delivery.heads import Slot
from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader
from schemas import names


class SlotOutcomes:
    """The outcome that counts for each slot: the one with the highest revision, of equal ones the last. Pure."""

    def __init__(self) -> None:
        self._outcomes: dict[Slot, tuple[int, bool]] = {}

    def add(self, record: Record) -> None:
        """Add an outcome. One without a revision or slot concerns no valid request and is ignored."""
        kind = dict(record.headers).get("ce_type")
        try:
            data: Any = json.loads(record.value or b"")
            slot, revision = Slot(data["article"]["id"], data["slot"]), data["article"]["revision"]
        except (KeyError, TypeError, ValueError):
            return
        if isinstance(revision, int) and slot.name and self._outcomes.get(slot, (-1, False))[0] <= revision:
            self._outcomes[slot] = (revision, kind == names.IMAGE_FAILED.encode())

    @property
    def failed(self) -> Mapping[Slot, int]:
        """The revision of each slot whose outcome is a failure."""
        return {slot: revision for slot, (revision, failed) in self._outcomes.items() if failed}


async def failed_slots(
    reader: PartitionReader, topic: str, partitions: int, watch: Callable[[float], None]
) -> Mapping[Slot, int]:
    """Read all `partitions` of the outcome topic to their ends. Raises `BusError` and `Fatal`."""
    outcomes = SlotOutcomes()
    for number in range(partitions):
        partition = Partition(topic, number)
        span = await reader.span(partition)
        async for record in reader.records(partition, span):
            watch((number + (record.offset - span.start) / len(span)) / partitions)
            outcomes.add(record)
    return outcomes.failed
