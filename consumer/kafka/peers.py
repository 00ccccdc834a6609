"""The group's other workers: who is there says the coordinator, who cannot work the metadata of committed offsets."""

from collections.abc import Mapping, Sequence

from consumer.delivery.offset_metadata import MetadataUnreadable, read_metadata
from consumer.delivery.ports import CommittedOffset, Partition, Reader
from consumer.kafka.admin_client import KafkaAdmin
from consumer.kafka.group import workers

STABLE = "Stable"
"""The state of a group whose members have their partitions; in any other, members may be gone already."""


class GroupPeers:
    """Implements `consumer.processing.membership.Peers` for one worker.

    Workers are the members that read these `lanes`, nothing else. An owner commits its outage for every lane of its
    shard, so one tells of all. A worker without a shard is taken to be able: one that is not does not join.
    """

    def __init__(self, admin: KafkaAdmin, reader: Reader, lanes: Sequence[str], partitions: int) -> None:
        self._admin = admin
        self._reader = reader
        self._lanes = tuple(lanes)
        self._partitions = partitions

    async def any_in_trouble(self) -> bool:
        """Return whether a shard of another worker has an outage committed. Raises `BusError`."""
        return any(outage for outage in (await self._outages()).values())

    async def any_can_work(self, *, member: bool) -> bool:
        """Return whether another worker has a shard without an outage, or no shard. Raises `BusError`."""
        group = await self._admin.group()
        count = len(workers(group, self._lanes))
        if group.state != STABLE or count <= member:
            return False
        idle = max(0, count - self._partitions) - (member and not self._ours)
        return idle > 0 or any(outage == "" for outage in (await self._outages()).values())

    @property
    def _ours(self) -> frozenset[int]:
        return frozenset(partition.number for partition in self._reader.assignment)

    async def _outages(self) -> Mapping[int, str | None]:
        """Return the outage of each shard of others, None where it cannot be read."""
        others = [Partition(self._lanes[0], shard) for shard in range(self._partitions) if shard not in self._ours]
        committed = await self._admin.committed_offsets(others) if others else {}
        return {partition.number: _outage(at) for partition, at in committed.items()}


def _outage(committed: CommittedOffset) -> str | None:
    try:
        return read_metadata(committed).outage
    except MetadataUnreadable:
        return None
