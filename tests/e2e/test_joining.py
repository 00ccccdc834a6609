"""A worker that cannot work takes no shards: the others do all of its work, and nobody's outage moves them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from schemas import names
from tests.chaos.proxies import Gate, Mood
from tests.support.harness import BOUND, Cms, Site, WorkerProcess, cms, request_data

pytestmark = pytest.mark.alone  # they look into a few seconds between two states

QUICK = {
    "TOPICS__PARTITIONS": "6",
    "STORAGE__TIMEOUT_SECONDS": "2",
    "WORKER__LEAVE_SECONDS": "2",
    "WORKER__BREAKER_PROBE_SECONDS": "0.5",
    "WORKER__RETRY_DELAY_SCALE": "0.01",
}
REST_SECONDS = 4.0
HELD_SECONDS = 15.0
"""How long nobody may move: several times the bound after which a worker leaves."""


@contextmanager
def started(sites: Sequence[Site], folder: Path) -> Iterator[list[WorkerProcess]]:
    """Run a worker at each site, ready or not; all ended on exit."""
    running = [WorkerProcess(site, folder / f"worker-{number}.log") for number, site in enumerate(sites)]
    try:
        yield running
    finally:
        for worker in running:
            worker.kill()


@asynccontextmanager
async def gates(s3: S3Server, count: int) -> AsyncIterator[list[Gate]]:
    """Open a way of its own to the store for each worker."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Gate(s3.endpoint_url)) for _ in range(count)]


def metric(worker: WorkerProcess, name: str) -> float:
    """Return the sum of a metric's samples."""
    page = worker.get("/metrics")[1]
    return sum(float(line.split()[-1]) for line in page.splitlines() if re.match(rf"{name}[ {{]", line))


def verdicts(workers: Sequence[WorkerProcess]) -> set[float]:
    """Return what the workers' gauges say of the partitions."""
    lines = [line for worker in workers for line in worker.get("/metrics")[1].splitlines()]
    return {float(line.split()[-1]) for line in lines if line.startswith("leadart_lag_verdict{")}


def lag(site: Site) -> dict[str, Any]:
    """Return what `leadart lag` shows."""
    shown: dict[str, Any] = json.loads(site.run("lag", "--json").stdout)
    return shown


async def until(condition: Callable[[], bool], seconds: float = BOUND) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


async def ready(workers: Sequence[WorkerProcess]) -> None:
    """Wait until all may be given work; gates to the store are served meanwhile."""
    for worker in workers:
        await asyncio.to_thread(worker.wait_ready)


async def ask(desk: Cms, count: int = 20, part: str = "a") -> set[str]:
    """Publish requests that reach every shard."""
    return {await desk.ask(request_data(f"{part}-{number}")) for number in range(count)}


async def all_ready(desk: Cms, asked: set[str], seconds: float) -> None:
    """Wait until every request has its pictures, and exactly one outcome."""
    await desk.until(lambda: asked <= {outcome["request_id"] for outcome in desk.outcomes()}, seconds)
    ended = [outcome["request_id"] for outcome in desk.outcomes() if outcome["request_id"] in asked]
    assert len(ended) == len(asked)
    assert {outcome["ce"]["type"] for outcome in desk.outcomes()} == {names.IMAGE_READY}


@pytest.mark.parametrize(
    ("setting", "value"), [("STORAGE__SECRET_ACCESS_KEY", "wrong"), ("STORAGE__BUCKET", "there-is-none")]
)
async def test_a_worker_whose_store_refuses_it_never_joins(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path, setting: str, value: str
) -> None:
    """The two others have every request done in seconds; it is alive, not ready, and says why."""
    site = Site.fresh(kafka, s3, **QUICK).prepare()
    with started([site, site, site.changed(**{setting: value})], tmp_path) as (one, other, refused):
        await ready([one, other])
        await until(lambda: "check LEADART_STORAGE__" in refused.get("/readyz")[1])
        async with cms(site) as desk:
            await all_ready(desk, await ask(desk), seconds=20)

        assert (lag(site)["members"], lag(site)["verdict"]) == (2, "OK")
        assert (refused.get("/healthz")[0], refused.get("/readyz")[0]) == (200, 503)
        assert [metric(worker, "leadart_ready") for worker in (one, other, refused)] == [1, 1, 0]
        assert metric(refused, "leadart_rebalances_total") == 0
        assert refused.stop() == 0


async def test_a_worker_that_loses_its_store_leaves_and_comes_back(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """Its shards stand still for the bound, which gauge and table say, then others serve them until it can again."""
    async with gates(s3, 1) as (gate,):
        site = Site.fresh(kafka, s3, **QUICK).prepare()
        with started([site, site, site.changed(STORAGE__ENDPOINT_URL=gate.endpoint_url)], tmp_path) as running:
            await ready(running)
            await until(lambda: metric(running[2], "leadart_assigned_partitions") == 10)
            gate.mood = Mood.FAILING
            async with cms(site) as desk:
                asked = await ask(desk)
                await until(lambda: any(each["trouble"] for each in lag(site)["partitions"]))
                assert lag(site)["verdict"] == "STALLED"
                await all_ready(desk, asked, seconds=40)
                await until(lambda: metric(running[2], "leadart_assigned_partitions") == 0)
                assert (lag(site)["members"], metric(running[2], "leadart_ready")) == (2, 0)
                assert "left the consumer group" in running[2].get("/readyz")[1]
                gate.mood = Mood.FAIR
                await until(lambda: metric(running[2], "leadart_ready") == 1)
                await all_ready(desk, await ask(desk, part="b"), seconds=20)


async def at_rest(running: Sequence[WorkerProcess]) -> list[float]:
    """Return how many rebalances each worker has seen, once that has not changed for longer than one takes."""
    counts: list[float] = []
    since = time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        if (now := [metric(worker, "leadart_rebalances_total") for worker in running]) != counts:
            counts, since = now, time.monotonic()
        await asyncio.sleep(0.1)
    return counts


async def test_when_everybodys_store_is_away_nobody_moves(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """All hold what they have, idle ones too; gauge and table say that nothing moves, and then all goes on."""
    async with gates(s3, 3) as opened:
        site = Site.fresh(kafka, s3, **QUICK | {"WORKER__LEAVE_SECONDS": "10"}).prepare()  # idle ones find out first
        sites = [site.changed(STORAGE__ENDPOINT_URL=gate.endpoint_url) for gate in opened]
        with started(sites, tmp_path) as running:
            await ready(running)
            await until(lambda: all(metric(worker, "leadart_assigned_partitions") == 10 for worker in running))
            moved = await at_rest(running)
            for gate in opened:
                gate.mood = Mood.FAILING
            async with cms(site) as desk:
                asked = await ask(desk, count=1)
                await until(lambda: all(metric(worker, "leadart_ready") == 0 for worker in running))
                await asyncio.sleep(HELD_SECONDS)
                assert [metric(worker, "leadart_rebalances_total") for worker in running] == moved
                assert (lag(site)["verdict"], lag(site)["members"]) == ("STALLED", 3)
                assert 2.0 in verdicts(running)
                for gate in opened:
                    gate.mood = Mood.FAIR
                await all_ready(desk, asked | await ask(desk, part="b"), seconds=40)
            assert [metric(worker, "leadart_rebalances_total") for worker in running] == moved


async def test_a_group_that_nobody_can_join_is_stopped_in_gauge_and_table(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """Workers that start while the store is away wait outside, show so, and begin when it is back."""
    async with gates(s3, 1) as (gate,):
        gate.mood = Mood.FAILING
        site = Site.fresh(kafka, s3, **QUICK).prepare()
        own = site.changed(STORAGE__ENDPOINT_URL=gate.endpoint_url)
        with started([own, own], tmp_path) as running:
            async with cms(site) as desk:
                asked = await ask(desk)
                await until(lambda: 3.0 in verdicts(running))
                assert (lag(site)["verdict"], lag(site)["members"]) == ("STOPPED", 0)
                assert "nobody is in the group" in site.run("lag").stdout
                gate.mood = Mood.FAIR
                await all_ready(desk, asked, seconds=40)


async def test_a_worker_whose_engine_paints_nothing_leaves(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Its breaker opens and holds what failed; then it gives that up, and the others have every request done."""
    points = tmp_path / "points"
    points.mkdir()
    (points / f"{Failpoint.PAINTING}.failing").touch()
    site = Site.fresh(kafka, s3, **QUICK).prepare()
    with started([site, site, site.changed(WORKER__FAILPOINTS=str(points))], tmp_path) as running:
        await ready(running)
        await until(lambda: metric(running[2], "leadart_assigned_partitions") == 10)
        async with cms(site) as desk:
            await all_ready(desk, await ask(desk, count=60), seconds=60)

        assert '"event": "leaving_group"' in running[2].log.read_text()
        assert running[2].get("/healthz")[0] == 200
