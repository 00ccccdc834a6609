"""Others in the consumer group, with real workers on Apache Kafka: who comes later ends, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import BOUND, Site, WorkerProcess, cms, request_data, workers
from tests.support.strangers import stray_consumer


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, KAFKA__CLIENT_ID="ours").prepare()


async def until(condition: Callable[[], bool], seconds: float = BOUND) -> None:
    """Wait for another process."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("setting", ["TOPICS__PREFIX", "TOPICS__OWN_PREFIX"])
async def test_a_second_fleet_in_the_first_ones_group_ends_by_itself(site: Site, tmp_path: Path, setting: str) -> None:
    """It says who is in the group and what they read; the first fleet goes on."""
    other = site.changed(**{setting: f"other-{site.settings.topics.prefix}"})
    assert other.run("topics", "apply").returncode == 0
    with workers(site, tmp_path) as (worker,):
        newcomer = WorkerProcess(other, tmp_path / "newcomer.log")
        try:
            await until(lambda: newcomer.process.poll() is not None)
        finally:
            newcomer.kill()
        async with cms(site) as desk:
            asked = await desk.ask(request_data("a-1"))
            await desk.until(lambda: bool(desk.outcomes(asked)))
        assert worker.log.read_text().count('"event": "shard_open"') == 3  # each once: nobody fenced or rebalanced it

    said = newcomer.log.read_text()
    assert newcomer.process.returncode == 1
    assert f"Group {site.settings.kafka.group_id} is in use by others: ours at 127.0.0.1 (reads " in said
    assert "LEADART_KAFKA__GROUP_ID" in said
    assert site.topic(names.RETRY_1M) in said


async def test_fleets_that_differ_in_a_prefix_alone_do_not_meet(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """As staging beside production, neither with a group of its own set: each opens its shards once, unfenced."""
    fleets = [Site.fresh(kafka, s3).without("KAFKA__GROUP_ID").prepare() for _ in range(2)]
    folders = [tmp_path / "production", tmp_path / "staging"]
    for folder in folders:
        folder.mkdir()
    with workers(fleets[0], folders[0]) as (first,), workers(fleets[1], folders[1]) as (second,):
        for site in fleets:
            async with cms(site) as desk:
                for number in range(6):
                    await desk.ask(request_data(f"a-{number}"))
                await desk.until(lambda desk=desk: len(desk.outcomes()) >= 6)  # type: ignore[misc]
        logs = [worker.log.read_text() for worker in (first, second)]

    assert [log.count('"event": "shard_open"') for log in logs] == [3, 3]
    assert all("epoch_ended" not in log for log in logs)


async def test_a_stray_consumer_does_not_end_the_workers(site: Site, tmp_path: Path) -> None:
    """A worker keeps the shards that it has whole, says who keeps the others, and takes them once they are free."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            async with stray_consumer(site, enable_auto_commit=False):
                await until(lambda: '"event": "strangers_in_group"' in worker.log.read_text())
                await until(lambda: "kafka-ui at 127.0.0.1 (reads " in worker.get("/readyz")[1])
            await until(lambda: worker.get("/readyz")[0] == 200)
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(8)]
            await desk.until(lambda: len(desk.outcomes()) >= 8)
            await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == sorted(asked)


def test_a_prefixed_fleet_does_not_lose_its_former_group(kafka: KafkaServer, s3: S3Server) -> None:
    """The default group was the same with every prefix: neither a start nor a deployment's `topics apply` leaves it."""
    former = Site.fresh(kafka, s3, KAFKA__GROUP_ID="leadart").prepare()
    site = former.without("KAFKA__GROUP_ID")
    group = f"{site.settings.topics.prefix}leadart"

    for command in (("worker",), ("topics", "apply", "--start", "latest"), ("doctor",)):
        said = site.run(*command)
        assert said.returncode == 1
        assert f"the default group is now {group}" in said.stdout + said.stderr
        assert "LEADART_KAFKA__GROUP_ID=leadart" in said.stdout + said.stderr
    assert site.changed(KAFKA__GROUP_ID=group).run("topics", "apply", "--start", "latest").returncode == 0
    assert site.run("doctor").returncode == 0


async def test_what_a_stray_consumer_commits_skips_no_request(site: Site, tmp_path: Path) -> None:
    """Requests that it took and committed are painted once it has left; log, lag, doctor and gauges say so."""
    lane = site.topic(names.REQUESTED)
    async with cms(site) as desk:
        with workers(site, tmp_path) as (worker,):
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(9)]
            await desk.until(lambda: len(desk.outcomes()) >= 9)
            async with stray_consumer(site, auto_commit_interval_ms=100) as stray:
                theirs = {partition.partition for partition in stray.assignment()}
                asked += [await desk.ask(request_data(f"b-{number}")) for number in range(30)]
                await read_to_the_end(stray)
                await until(lambda: f'{{partition="{min(theirs)}",topic="{lane}"}} 2.0' in worker.get("/metrics")[1])
                doctor, lag = await asyncio.to_thread(site.run, "doctor"), await asyncio.to_thread(site.run, "lag")
            await desk.until(lambda: len(desk.outcomes()) >= 39)
            await desk.settle()
        log = worker.log.read_text()

    assert theirs
    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == sorted(asked)
    for said in (log, doctor.stdout, lag.stdout):
        assert f"leadart replay --lane {lane} --from {min(theirs)}:" in said
    assert doctor.returncode == 1
    assert "STALLED" in lag.stdout
    assert '"event": "foreign_commit"' in log


async def read_to_the_end(consumer: AIOKafkaConsumer) -> None:
    """Read the assigned partitions to their ends, as they are now."""
    ends = await consumer.end_offsets(consumer.assignment())
    async with asyncio.timeout(BOUND):
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            await consumer.getmany(timeout_ms=100)
    await consumer.commit()
