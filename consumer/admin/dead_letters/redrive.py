"""Redrive: the original key, value and headers go back to the lane and partition number they first came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.admin.dead_letters.action import ActionRefused
from consumer.admin.dead_letters.dead_letter import DeadLetterRecord, DeadLetterState, build_redriven
from consumer.admin.dead_letters.topic import DeadLetterTopic
from consumer.delivery.ports import MAX_RECORD_BYTES, OutgoingRecord
from consumer.jobs import Record
from consumer.kafka.topics import lane_topics
from consumer.settings import Settings


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane accepts."""

    partitions: int
    max_bytes: int


class Redrive:
    """The action. It writes only to this worker's lanes, whatever origin a dead letter claims."""

    state = DeadLetterState.REDRIVEN

    def __init__(self, topic: DeadLetterTopic, lanes: Mapping[str, LaneLimits]) -> None:
        self._topic = topic
        self._lanes = lanes

    @classmethod
    async def prepare(cls, settings: Settings, topic: DeadLetterTopic) -> Redrive:
        """Read the lanes' limits. Raises `BusError`."""
        counts = await topic.admin.partition_counts(lane_topics(settings))
        configs = await topic.admin.topic_configs(counts)
        limits = {lane: int(config.get("max.message.bytes") or MAX_RECORD_BYTES) for lane, config in configs.items()}
        return cls(topic, {lane: LaneLimits(count, limits[lane]) for lane, count in counts.items()})

    async def outgoing(self, letter: DeadLetterRecord) -> Sequence[OutgoingRecord]:
        """Return the record for the lane. Raises `ActionRefused`."""
        record = build_redriven(letter, await self.original(letter), datetime.now(UTC))
        limit = min(self._lanes[record.topic].max_bytes, MAX_RECORD_BYTES)
        if record.size > limit:
            raise ActionRefused(f"with our headers it has {record.size} bytes, and {record.topic} takes {limit}")
        if record.key is None and record.value is None:
            raise ActionRefused("it has neither key nor value: Kafka clients do not write such records")
        return [record]

    async def original(self, letter: DeadLetterRecord) -> Record:
        """Return what the publisher wrote, read from its lane where it was not kept. Raises `ActionRefused`."""
        origin = letter.original
        lane = self._lanes.get(origin.topic)
        if lane is None:
            raise ActionRefused(f"it came from {origin.topic[:249]!a}, which is not a lane of this worker")
        if not 0 <= origin.partition < lane.partitions:
            raise ActionRefused(f"it came from partition {origin.partition}, and {origin.topic} has {lane.partitions}")
        if letter.whole_batch:
            raise ActionRefused(f"it stands for a whole batch: {letter.facts.get('leadart-message', '').rstrip('.')}")
        original = await self._topic.original(letter)
        if original is None:
            raise ActionRefused(
                f"only its key was kept, and the original is gone from {origin.topic}:{origin.partition} offset "
                f"{origin.offset}"
            )
        if original.not_read:
            raise ActionRefused(original.not_read.rstrip("."))
        return original
