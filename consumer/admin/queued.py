"""Requests that wait in the lanes, and which of them a control is for."""

from collections import Counter
from collections.abc import Callable

from consumer.delivery.controls import Selector, Traits
from consumer.delivery.offset_metadata import MetadataUnreadable, read_metadata
from consumer.delivery.ports import UNCOMMITTED, CommittedOffset, Partition
from consumer.delivery.retry import RetryPolicy
from consumer.jobs import Record
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import lane_topics, one_partition_count, retry_policy
from consumer.settings import Settings
from schemas import ContractError
from schemas.reader import parse_request
from schemas.requests import ImageRequest


async def count_queued(settings: Settings, match: Selector, watch: Callable[[float], None]) -> Counter[str]:
    """Count the requests that the group has not finished and the selector is for, by the lane in which they wait.

    Reads every lane from where the group stands; `watch` is given the share that was read. Raises `BusError`, `Fatal`.
    """
    retries, found = retry_policy(settings), Counter[str]()
    async with open_admin(settings.kafka) as admin:
        shards = range(await one_partition_count(admin, settings))
        lanes = [Partition(lane, shard) for lane in lane_topics(settings) for shard in shards]
        committed = await admin.all_committed_offsets(lanes)
    async with open_partition_reader(settings.kafka) as reader:
        spans = await reader.spans(lanes)
        for number, lane in enumerate(lanes):
            start, done = _position(committed[lane])
            async for record in reader.records(lane, range(max(start, spans[lane].start), spans[lane].stop)):
                if record.offset not in done and (traits := traits_of(record, retries)) and match.fits(traits):
                    found[lane.topic] += 1
            watch((number + 1) / len(lanes))
    return found


def traits_of(record: Record, retries: RetryPolicy) -> Traits | None:
    """Return what controls go by; None for what no control is for: all but valid requests for pictures."""
    original = retries.unwrap(record).original
    if original.not_read:
        return None
    try:
        event, request = parse_request(original.key, original.headers, original.value)
    except ContractError:
        return None
    if not isinstance(request, ImageRequest):  # an editor's decision is never held or called off
        return None
    return Traits.of(record, original, request, event.source)


def _position(committed: CommittedOffset) -> tuple[int, frozenset[int]]:
    """Return the offset at which the group stands, and what is finished above it."""
    if committed.offset == UNCOMMITTED:
        return 0, frozenset()
    try:
        return committed.offset, frozenset(read_metadata(committed).finished)
    except MetadataUnreadable:
        return committed.offset, frozenset()
