"""What other people's monitors go by, with a real worker on Apache Kafka: docs/operations/lag.md."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.delivery.ports import Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from schemas import names
from tests.support.harness import BOUND, Cms, Site, answer, cms, request_data, workers


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3).prepare()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_publishers_transaction_leaves_no_lag(site: Site, tmp_path: Path, *, committed: bool) -> None:
    """Monitors and scalers go by the log's end, markers and aborted records included: the group gets there.

    With the worker up at once, and with one that starts when only a transaction's remains lie before it.
    """
    with workers(site, tmp_path) as (worker,):
        await publish_in_transaction(site, committed=committed)
        await no_lag(site)
        assert worker.stop() == 0
    await publish_in_transaction(site, committed=committed)
    (later := tmp_path / "later").mkdir()
    with workers(site, later):
        await no_lag(site)


async def publish_in_transaction(site: Site, *, committed: bool) -> None:
    """Publish a request in a transaction of its own, which is committed or aborted."""
    servers, name = site.settings.kafka.bootstrap_servers, uuid4().hex
    async with cms(site) as desk, AIOKafkaProducer(bootstrap_servers=servers, transactional_id=name) as producer:
        await producer.begin_transaction()
        await Cms(site, producer, desk.consumer).ask(request_data("a-1"))
        await (producer.commit_transaction() if committed else producer.abort_transaction())


async def no_lag(site: Site, least: int = 2) -> None:
    """Wait until the group stands at the end of each partition of the lane, as an uncommitted reader sees it."""
    partitions = [Partition(site.topic(names.REQUESTED), number) for number in range(3)]
    async with (
        open_admin(site.settings.kafka) as admin,
        open_partition_reader(site.settings.kafka, committed=False) as everything,
        asyncio.timeout(BOUND),
    ):
        ends = await everything.ends(partitions)
        assert sum(ends.values()) >= least  # a record and its marker
        while {at: one.offset for at, one in (await admin.committed_offsets(partitions)).items()} != ends:
            await asyncio.sleep(0.1)


async def test_our_commits_end_in_a_marker_that_no_reader_of_them_is_given(site: Site, tmp_path: Path) -> None:
    """KMinion's `offsetsTopic` mode waits for the last record of `__consumer_offsets`: docs/operations/lag.md."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(request_data("a-1")))
        await no_lag(site, least=1)
        given, ends = await commits_read(site)
    assert given
    assert all(last < ends[partition] - 1 for partition, last in given.items())


async def commits_read(site: Site) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Read `__consumer_offsets` to its end; return the last record given of each partition with our group, and ends."""
    ours, given = set(), {}
    async with AIOKafkaConsumer(bootstrap_servers=site.settings.kafka.bootstrap_servers) as consumer:
        numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic("__consumer_offsets")
        consumer.assign([TopicPartition("__consumer_offsets", number) for number in numbers or ()])
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(consumer.assignment())
        async with asyncio.timeout(BOUND):
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                    given[partition] = max(one.offset for one in records if one.offset < ends[partition])
                    ours |= {partition for one in records if site.settings.kafka.group_id.encode() in (one.key or b"")}
    return {partition: given[partition] for partition in ours}, ends
