"""Known pitfalls of consumer groups and offsets, each with a real worker on Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client.parser import text_string_to_metric_families

from consumer.delivery.ports import Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import lane_topics
from schemas import names
from tests.support.harness import BOUND, Cms, Site, WorkerProcess, answer, cms, request_data, workers


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="1").prepare()


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def consumed(worker: WorkerProcess) -> int:
    """Return how many records the worker started: an adopted one is not started again."""
    return counted("leadart_events_consumed_total", worker.get("/metrics")[1])


def counted(name: str, page: str) -> int:
    """Return a counter's value on a page of metrics, all labels together."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return int(sum(sample.value for sample in samples if sample.name == name))


def deleted_unread(worker: WorkerProcess) -> list[int]:
    """Return how many records were gone, each time the worker said so."""
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if "records_deleted_unread" in line]
    return [line["records"] for line in lines]


async def until(condition: Callable[[], bool], seconds: float = BOUND) -> None:
    """Wait for another process."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def ended(worker: WorkerProcess) -> str:
    """Wait until the worker exits with an error, and return its log."""
    await until(lambda: worker.process.poll() is not None)
    assert worker.process.returncode == 1
    return worker.log.read_text()


async def end_of(site: Site, topic: str, partition: int = 0) -> int:
    """Return the partition's last stable offset."""
    servers, tp = site.settings.kafka.bootstrap_servers, TopicPartition(topic, partition)
    async with AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed") as consumer:
        end: int = (await consumer.end_offsets([tp]))[tp]
    return end


async def committed(site: Site, topic: str, partition: int = 0) -> int:
    """Return the group's committed offset."""
    tp = TopicPartition(topic, partition)
    async with open_admin(site.settings.kafka) as admin:
        return (await admin.committed_offsets([tp]))[tp].offset


async def forget_records(site: Site, topic: str, before: int) -> None:
    """Delete a log's first records, as retention does."""
    async with open_admin(site.settings.kafka) as admin:
        await admin.delete_records(Partition(topic, 0), before)


async def test_a_rebalance_does_not_redo_records_in_flight(site: Site, tmp_path: Path) -> None:
    """A shard that comes back after a rebalance redelivers its records; each finds its running job and is adopted."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="6", KAFKA__CLIENT_ID="a")
    with workers(slow, tmp_path) as (first,):
        async with cms(site) as desk:
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(4)]
            await until(lambda: consumed(first) == 4)
            with workers(slow.changed(KAFKA__CLIENT_ID="b"), folder(tmp_path, "second")) as (second,):
                await until(lambda: '"adopted": 4' in first.log.read_text())
                await desk.until(lambda: len(desk.outcomes()) >= 4)
                assert (consumed(first), consumed(second)) == (4, 0)
            await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == sorted(asked)


async def test_a_full_lane_stays_paused_over_a_rebalance(site: Site, tmp_path: Path) -> None:
    """Every rebalance drops pauses; the lane is paused again, and resumed when there is room."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="4", WORKER__JOBS_IN_HAND="2", KAFKA__CLIENT_ID="a")
    with workers(slow, tmp_path) as (first,):
        async with cms(site) as desk:
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(6)]
            await until(lambda: consumed(first) == 2)
            with workers(slow.changed(KAFKA__CLIENT_ID="b"), folder(tmp_path, "second")):
                await until(lambda: '"adopted": 2' in first.log.read_text())
                most = 0
                # A picture that is ready makes room before anybody hears of it.
                while not counted("leadart_pictures_total", page := first.get("/metrics")[1]):
                    most = max(most, counted("leadart_events_consumed_total", page))
                    await desk.settle()
                assert most == 2
                await desk.until(lambda: len(desk.outcomes()) >= 6)
            await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == sorted(asked)


async def test_a_worker_frozen_in_its_transaction_announces_the_outcome_once(site: Site, tmp_path: Path) -> None:
    """The broker aborts a transaction left open too long: the owner starts over, and the record has one outcome."""
    places = folder(tmp_path, "places")
    armed = site.changed(WORKER__FAILPOINTS=str(places), KAFKA__TRANSACTION_TIMEOUT_SECONDS="1")
    with workers(armed, tmp_path) as (worker,):
        async with cms(site) as desk:
            (places / f"{Failpoint.BEGUN}.armed").touch()
            await desk.publish(b"a-1", b"not json")
            hit = places / f"{Failpoint.BEGUN}.hit-{worker.process.pid}"
            await until(hit.exists)
            worker.signal(signal.SIGSTOP)
            deadline = time.monotonic() + BOUND
            while await end_of(site, site.topic(names.OUTCOME)) == 0:  # while it is open nothing is stable
                assert time.monotonic() < deadline
            hit.unlink()
            worker.signal(signal.SIGCONT)
            await desk.until(lambda: bool(desk.records(names.DEAD_LETTER)))
            await until(lambda: worker.log.read_text().count('"event": "shard_open"') == 2)
            await desk.settle()
        assert '"event": "epoch_ended"' in worker.log.read_text()

    assert (len(desk.outcomes()), len(desk.records(names.DEAD_LETTER))) == (1, 1)


async def publish_in_transactions(desk: Cms, number: int, *, kept: bool) -> None:
    """Publish a request in a transaction of its own, and commit or abort it."""
    servers = desk.site.settings.kafka.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=uuid.uuid4().hex) as producer:
        await producer.begin_transaction()
        own = Cms(desk.site, producer, desk.consumer)
        await own.ask(request_data(f"a-{number}"), event_id=f"r-{number}")
        await (producer.commit_transaction() if kept else producer.abort_transaction())


async def test_gaps_in_a_log_stop_and_lose_nothing(site: Site, tmp_path: Path) -> None:
    """Markers, aborted and deleted records leave gaps: what is left is answered once, and no lag remains."""
    topic = site.topic(names.REQUESTED)
    async with cms(site) as desk:
        for number in range(6):
            await publish_in_transactions(desk, number, kept=number % 2 == 0)
        with workers(site, tmp_path):
            await desk.until(lambda: len(desk.outcomes()) >= 3)
            await publish_in_transactions(desk, 6, kept=False)
            end = await end_of(site, topic)
            deadline = time.monotonic() + BOUND
            while await committed(site, topic) < end:
                assert time.monotonic() < deadline
        await forget_records(site, topic, end - 1)
        for number in range(7, 10):
            await publish_in_transactions(desk, number, kept=number != 8)
        with workers(site, folder(tmp_path, "second")):
            await desk.until(lambda: len(desk.outcomes()) >= 5)
        await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == ["r-0", "r-2", "r-4", "r-7", "r-9"]


@asynccontextmanager
async def compacted(site: Site, topic: str) -> AsyncIterator[None]:
    """Compact a lane, which no lane should be, as eagerly as the broker can."""
    eager = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.0001"}
    async with open_admin(site.settings.kafka) as admin:
        await admin.client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=eager)])
        quick = ConfigResource(ConfigResourceType.BROKER, "1", configs={"log.cleaner.backoff.ms": "200"})
        await admin.client.alter_configs([quick])
        yield
        await admin.client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={})])


async def count_of(site: Site, topic: str) -> int:
    """Return the number of records in the log."""
    async with cms(site) as reader:
        tp, found = TopicPartition(topic, 0), 0
        reader.consumer.unsubscribe()
        reader.consumer.assign([tp])
        end = (await reader.consumer.end_offsets([tp]))[tp]
        await reader.consumer.seek_to_beginning(tp)
        while await reader.consumer.position(tp) < end:
            found += sum(map(len, (await reader.consumer.getmany(timeout_ms=100)).values()))
    return found


async def test_a_compacted_lane_is_read_across_its_gaps(site: Site, tmp_path: Path) -> None:
    """A compacted lane has lost requests, but what is left is answered once, and `doctor` reports it."""
    topic = site.topic(names.REQUESTED)
    async with cms(site) as desk, compacted(site, topic):
        for number in range(6):
            await desk.ask(request_data(f"a-{number % 2}", revision=number), event_id=f"r-{number}")
            await asyncio.sleep(0.15)  # each in a segment of its own; the last one is never compacted
        await desk.ask(request_data("a-9"), event_id="last")
        deadline = time.monotonic() + BOUND
        while await count_of(site, topic) > 3:
            assert time.monotonic() < deadline
        with workers(site, tmp_path):
            await desk.until(lambda: len(desk.outcomes()) >= 3)
            while await committed(site, topic) < await end_of(site, topic):
                assert time.monotonic() < deadline + BOUND
        await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == ["last", "r-4", "r-5"]
    assert f"{topic} is compacted" in site.run("doctor").stdout


async def test_records_deleted_before_a_worker_starts_are_counted(site: Site, tmp_path: Path) -> None:
    """The lane goes on from the log's start, and the worker says once how many records are gone."""
    async with cms(site) as desk:
        for number in range(5):
            await desk.ask(request_data(f"a-{number}"), event_id=f"r-{number}")
        await forget_records(site, site.topic(names.REQUESTED), 3)
        with workers(site, tmp_path) as (worker,):
            await desk.until(lambda: len(desk.outcomes()) >= 2)
        await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == ["r-3", "r-4"]
    assert deleted_unread(worker) == [3]


async def test_records_that_vanish_stop_no_running_worker(site: Site, tmp_path: Path) -> None:
    """Retention that overtakes a running worker costs what it deleted: work in flight and later requests go on."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="5", WORKER__JOBS_IN_HAND="1")
    with workers(slow, tmp_path) as (worker,):
        async with cms(site) as desk:
            await desk.ask(request_data("a-0"), event_id="r-0")
            for _ in range(8):  # more than a worker reads ahead, so that the last ones are still on the broker
                await desk.publish(b"a-0", b"x" * 250_000)
            await until(lambda: consumed(worker) == 1)
            await forget_records(site, site.topic(names.REQUESTED), 8)
            await desk.ask(request_data("a-1"), event_id="r-later")
            made = [await answer(desk, request_id) for request_id in ("r-0", "r-later")]
            await desk.settle()

    assert [outcome["ce"]["type"] for outcome in made] == [names.IMAGE_READY] * 2
    (deleted,) = deleted_unread(worker)
    assert deleted + len(desk.records(names.DEAD_LETTER)) == 8


async def test_a_lane_that_grows_ends_the_worker(site: Site, tmp_path: Path) -> None:
    """An additional partition in one lane is reported with the procedure; the client loses no listener error."""
    with workers(site, tmp_path) as (worker,):
        async with open_admin(site.settings.kafka) as admin:
            await admin.add_partitions([site.topic(names.REQUESTED)], 2)
        said = await ended(worker)

    assert "partition counts changed while the worker ran" in said
    assert "leadart topics apply" in said


async def test_all_lanes_growing_end_the_worker_too(site: Site, tmp_path: Path) -> None:
    """Even when all lanes agree again, the worker does not serve shards that were not there when it started."""
    with workers(site, tmp_path) as (worker,):
        async with open_admin(site.settings.kafka) as admin:
            await admin.add_partitions(lane_topics(site.settings), 2)
        said = await ended(worker)

    assert "partition counts changed while the worker ran" in said


async def test_a_lane_that_is_deleted_ends_the_worker(site: Site, tmp_path: Path) -> None:
    """A deleted lane is named, with the command that creates it again."""
    with workers(site, tmp_path) as (worker,):
        async with open_admin(site.settings.kafka) as admin:
            await admin.delete_topics([site.topic(names.BACKFILL)])
        said = await ended(worker)

    assert site.topic(names.BACKFILL) in said
    assert "leadart topics apply" in said


async def test_any_error_in_the_listener_ends_the_worker(site: Site, tmp_path: Path) -> None:
    """The client swallows listener errors: a worker that went on would look healthy and serve nothing."""
    places = folder(tmp_path, "places")
    folder(places, f"{Failpoint.REBALANCING}.armed")  # a folder where a file should be: an error that nobody foresaw
    worker = WorkerProcess(site.changed(WORKER__FAILPOINTS=str(places)), tmp_path / "worker.log")
    try:
        await until(lambda: worker.process.poll() is not None)
    finally:
        worker.kill()

    assert worker.process.returncode == 1
