"""What `leadart lag` reads, against Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import StartPosition, apply
from consumer.lag.backlog import Backlog
from consumer.lag.history import LagHistory, summarize
from consumer.lag.reader import LagSnapshot, PartitionLag, open_lag_reader
from consumer.lag.status import LagStatus
from consumer.lag.throughput import NO_THROUGHPUT, TAIL, read_throughput
from schemas import names
from tests.support.commands import leadart
from tests.support.harness import BOUND, Site, answer, cms, request_data, workers


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3)
    await apply(site.settings, StartPosition.EARLIEST)
    return site


@asynccontextmanager
async def writer(site: Site) -> AsyncIterator[AIOKafkaProducer]:
    """A producer with transactions, as workers have; one that is left open when the test ends is not waited for."""
    producer = AIOKafkaProducer(
        bootstrap_servers=site.settings.kafka.bootstrap_servers, transactional_id=uuid4().hex, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def announce(producer: AIOKafkaProducer, site: Site, partition: int, kind: str, data: dict[str, Any]) -> None:
    async with producer.transaction():
        await producer.send_and_wait(
            site.topic(names.OUTCOME),
            json.dumps(data).encode(),
            partition=partition,
            headers=[("ce_type", kind.encode())],
        )


def ready(seconds: float, *, reused: bool = False) -> dict[str, Any]:
    return {"reused": reused, "seconds": {"engine": seconds}}


async def test_the_newest_outcomes_give_the_seconds_per_job(site: Site) -> None:
    """The median is over painted outcomes only, and each partition's newest outcome of any kind is dated."""
    before = time.time() * 1000
    async with writer(site) as producer:
        for seconds in (20.0, 60.0, 22.0):
            await announce(producer, site, 0, names.IMAGE_READY, ready(seconds))
        await announce(producer, site, 0, names.IMAGE_READY, ready(0.0, reused=True))
        await announce(producer, site, 1, names.IMAGE_FAILED, {"reason": "invalid_field"})
        await producer.begin_transaction()
        await producer.send_and_wait(site.topic(names.OUTCOME), b"{}", partition=2)
        await producer.abort_transaction()
    async with open_partition_reader(site.settings.kafka) as reader:
        measured = await read_throughput(site.settings, reader, 3)

    assert (measured.engine_seconds, measured.outcomes) == (22.0, 3)
    assert set(measured.newest_ms) == {0, 1}
    assert all(before - 1000 <= newest <= time.time() * 1000 + 1000 for newest in measured.newest_ms.values())


async def test_only_the_newest_outcomes_are_measured(site: Site) -> None:
    """Older outcomes, by other weights on other devices, do not count."""
    async with writer(site) as producer:
        for seconds in (*[300.0] * 4, *[2.0] * TAIL):
            await announce(producer, site, 0, names.IMAGE_READY, ready(seconds))
    async with open_partition_reader(site.settings.kafka) as reader:
        measured = await read_throughput(site.settings, reader, 3)

    assert (measured.engine_seconds, measured.outcomes) == (2.0, TAIL // 2)


async def test_nothing_announced_is_nothing_measured(site: Site) -> None:
    """Where no outcome is, or no topic, the figures are unknown and not 0."""
    async with open_partition_reader(site.settings.kafka) as reader:
        assert await read_throughput(site.settings, reader, 3) == NO_THROUGHPUT
        assert await read_throughput(site.settings, reader, 0) == NO_THROUGHPUT


async def test_foreign_records_are_not_measured(site: Site) -> None:
    """A record among the outcomes that no worker wrote is skipped."""
    async with writer(site) as producer:
        await announce(producer, site, 0, names.IMAGE_READY, ready(3.0))
        await announce(producer, site, 0, names.IMAGE_READY, {"seconds": None, "reused": False})
    async with open_partition_reader(site.settings.kafka) as reader:
        assert (await read_throughput(site.settings, reader, 3)).engine_seconds == 3.0


async def read_lag(site: Site) -> LagSnapshot:
    async with open_lag_reader(site.settings) as lag:
        return await lag.read()


def of(snapshot: LagSnapshot, site: Site, base: str, partition: int = 0) -> PartitionLag:
    (found,) = [lag for lag in snapshot.partitions if (lag.topic, lag.partition) == (site.topic(base), partition)]
    return found


async def commit(site: Site, base: str, offset: int, metadata: OffsetMetadata) -> None:
    kafka = site.settings.kafka
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=kafka.group_id, enable_auto_commit=False
    ) as consumer:
        tp = TopicPartition(site.topic(base), 0)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, write_metadata(offset, metadata))})


async def put(producer: AIOKafkaProducer, site: Site, base: str, headers: dict[str, Any] | None = None) -> int:
    """Write a record and return its broker timestamp."""
    written = [(name, str(value).encode()) for name, value in (headers or {}).items()]
    sent = await producer.send_and_wait(site.topic(base), b"{}", partition=0, headers=written)
    return int(sent.timestamp)


@asynccontextmanager
async def plain_writer(site: Site) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=site.settings.kafka.bootstrap_servers, linger_ms=0) as producer:
        yield producer


def retried(due_ms: int) -> dict[str, Any]:
    facts = {"topic": "t", "partition": 0, "offset": 1, "timestamp": 1, "attempts": 1, "first-seen": 1, "due": due_ms}
    return {f"leadart-{name}": value for name, value in facts.items()}


async def test_the_age_is_that_of_the_oldest_record_not_finished(site: Site) -> None:
    """The age is exact: by the timestamp of the first record that is neither committed nor in the bitmap."""
    async with plain_writer(site) as producer:
        written = [await put(producer, site, names.REQUESTED) for _ in range(5)]
    await commit(site, names.REQUESTED, 1, OffsetMetadata({1, 3}))
    lag = of(await read_lag(site), site, names.REQUESTED)

    assert (lag.records, lag.finished_above) == (4, 2)
    assert lag.backlog == Backlog(2, 0, written[2], exact=True)
    assert lag.waited(written[2] + 2500) == 2.5


async def test_with_all_workers_down_a_backlog_is_stopped(site: Site) -> None:
    """A group without members has all figures; lanes with a backlog are STOPPED, the others OK."""
    async with plain_writer(site) as producer:
        await put(producer, site, names.REQUESTED)
    snapshot = await read_lag(site)
    statuses = LagHistory(site.settings).assess(snapshot)

    assert snapshot.members == 0
    assert {each.lag.topic: each.status for each in statuses if each.lag.partition == 0} == {
        site.topic(base): LagStatus.STOPPED if base == names.REQUESTED else LagStatus.OK
        for base in (names.REQUESTED, names.RETRY_1M, names.RETRY_10M, names.RETRY_1H, names.BACKFILL)
    }
    assert summarize(statuses).status is LagStatus.STOPPED


async def test_a_paused_lane_is_shown_apart(site: Site) -> None:
    """Its records are `paused`, not incomplete; a reader that stays open sees the pause and its end."""
    async with plain_writer(site) as writer, open_lag_reader(site.settings) as reader:
        await put(writer, site, names.BACKFILL)
        before = await reader.read()
        await asyncio.to_thread(site.run, "pause", "--lane", "backfill", "--execute")
        during = await reader.read()
        await asyncio.to_thread(site.run, "resume", "--lane", "backfill", "--execute")
        after = await reader.read()

    figures = [
        (lag.incomplete, lag.paused) for lag in (of(one, site, names.BACKFILL) for one in (before, during, after))
    ]
    assert figures == [(1, 0), (0, 1), (1, 0)]
    assert [one.controls and len(one.controls.pauses) for one in (before, during, after)] == [0, 1, 0]


async def test_records_behind_a_hung_transaction_are_hidden(site: Site) -> None:
    """No worker sees what lies behind an open transaction: it is not lag but a figure of its own, until it ends."""
    async with plain_writer(site) as plain:
        first = await put(plain, site, names.REQUESTED)
        async with writer(site) as hung:
            await hung.begin_transaction()
            await put(hung, site, names.REQUESTED)
            await put(plain, site, names.REQUESTED)
            during = of(await read_lag(site), site, names.REQUESTED)
            await hung.abort_transaction()
    async with asyncio.timeout(BOUND):
        while (after := of(await read_lag(site), site, names.REQUESTED)).hidden:
            await asyncio.sleep(0.05)

    assert (during.end, during.records, during.hidden) == (1, 1, 2)
    assert during.backlog == Backlog(1, 0, first, exact=True)
    assert after.records == 4
    assert after.backlog == Backlog(2, 0, first, exact=True)


async def test_retries_that_are_not_due_are_not_lag(site: Site) -> None:
    """A retry that waits for its time is counted apart and affects no status; its age counts from its due time."""
    now = int(time.time() * 1000)
    async with writer(site) as producer:
        for due in (now - 4000, now + 600_000):
            async with producer.transaction():
                await put(producer, site, names.RETRY_1M, retried(due))
    snapshot = await read_lag(site)
    await commit(site, names.RETRY_1M, 1, OffsetMetadata())
    later = await read_lag(site)
    (waiting,) = [each for each in LagHistory(site.settings).assess(later) if each.lag.not_due]

    lag = of(snapshot, site, names.RETRY_1M)
    assert lag.records == 4
    assert lag.backlog is not None
    assert (lag.backlog.due, lag.backlog.not_due, lag.backlog.exact) == (1, 1, True)
    assert lag.backlog.since_ms is not None
    assert lag.backlog.since_ms >= now - 4000
    assert of(later, site, names.RETRY_1M).backlog == Backlog(0, 1, None, exact=True)
    assert waiting.status is LagStatus.OK


async def test_where_there_are_no_lanes_it_says_so(kafka: KafkaServer, s3: S3Server) -> None:
    """Without topics nothing is claimed, and reading creates none."""
    nowhere = Site.fresh(kafka, s3)
    done, snapshot = nowhere.run("lag"), await read_lag(nowhere)
    async with open_admin(nowhere.settings.kafka) as admin:
        topics = await admin.client.list_topics()

    assert (done.returncode, snapshot.partitions, snapshot.throughput) == (0, (), NO_THROUGHPUT)
    assert "leadart topics apply" in done.stdout
    assert not [topic for topic in topics if topic.startswith(nowhere.topic(""))]


async def test_deleted_records_are_not_backlog(site: Site) -> None:
    """Where the log starts above the committed offset, only what is left counts as incomplete."""
    async with plain_writer(site) as producer:
        written = [await put(producer, site, names.REQUESTED) for _ in range(4)]
    async with open_lag_reader(site.settings) as lag:
        await lag._admin.delete_records(Partition(site.topic(names.REQUESTED), 0), 3)
        found = of(await lag.read(), site, names.REQUESTED)

    assert found.records == 4
    assert found.backlog == Backlog(1, 0, written[3], exact=True)


async def test_the_workers_pages_and_the_command_agree(site: Site, tmp_path: Path) -> None:
    """A worker's gauges and `leadart lag` agree, each from its own data and measured seconds."""
    busy = Site({**site.env, "LEADART_ENGINE__SWATCH_SECONDS": "0.2"}).prepare()
    with workers(busy, tmp_path) as (worker,):
        async with cms(busy) as desk:
            await answer(desk, await desk.ask(request_data("a-1")))
        async with asyncio.timeout(BOUND):
            while (page := worker.get("/metrics")[1]).count("leadart_lag_verdict{") != 15:
                await asyncio.sleep(0.1)
        shown = json.loads(busy.run("lag", "--json", "--devices", "1").stdout)

    assert 'leadart_lag_verdict{partition="0",topic="' + busy.topic(names.REQUESTED) + '"} 0.0' in page
    assert "leadart_oldest_pending_age_seconds{" not in page
    assert (shown["verdict"], shown["members"], shown["lag"], shown["incomplete"]) == ("OK", 1, 0, 0)
    assert shown["measured"]["engine_seconds"] > 0
    assert shown["drain_seconds"] == 0.0


async def test_the_table_fits_into_eighty_columns(site: Site) -> None:
    """Lanes come first, then what is not OK, then what to do; every line fits into a terminal, whatever the prefix."""
    async with plain_writer(site) as producer:
        await put(producer, site, names.BACKFILL)
    lines = site.run("lag", "--devices", "2").stdout.splitlines()
    every = site.run("lag", "--partitions").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"group {site.settings.kafka.group_id}: STOPPED, 0 workers")
    assert [line.split()[0] for line in lines[2:7]] == ["requested", "retry-1m", "retry-10m", "retry-1h", "backfill"]
    assert [line.split()[:2] for line in lines[9:]] == [["backfill:0", "STOPPED"], ["nobody", "is"]]
    assert len(every) == 9 + 15 + 1


@pytest.mark.parametrize("form", [("--json",), ()], ids=["json", "tables"])
async def test_watching_ends_cleanly_at_ctrl_c(site: Site, form: tuple[str, ...]) -> None:
    """It reads again and again, sees new records, and Ctrl-C ends it with status 0 and no complaint."""
    async with leadart("lag", "--watch", "--every", "0.5", *form, env=site.env) as command:
        await command.until("OK")
        async with plain_writer(site) as producer:
            await put(producer, site, names.REQUESTED)
        await command.until("STOPPED")
        status = await command.end(signal.SIGINT)

    assert status == 0
    assert not [line for line in command.lines if "Traceback" in line or "Unclosed" in line]
