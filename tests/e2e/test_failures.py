"""What becomes of requests that fail: retried when due, held by the breaker, or not blamed for a worker's end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import PASS, Failpoint
from schemas import names
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers

ALONE = {"TOPICS__PARTITIONS": "1"}


def arm(folder: Path, place: Failpoint) -> None:
    """Catch the next worker that comes by, without holding it up."""
    (folder / f"{place}.armed").write_text(PASS)


async def hit(folder: Path, place: Failpoint) -> None:
    """Wait until a worker came by."""
    await until(lambda: bool(marks(folder, place)))
    for mark in marks(folder, place):
        mark.unlink()


def marks(folder: Path, place: Failpoint) -> list[Path]:
    """Return what workers that came by left behind."""
    return list(folder.glob(f"{place}.hit-*"))


def lines(worker: WorkerProcess, event: str) -> list[dict[str, Any]]:
    """Return the worker's log lines of one kind."""
    told = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in told if line["event"] == event]


def life(folder: Path) -> Path:
    """Return a folder for the log of one more worker."""
    mine = folder / f"life-{len(list(folder.glob('life-*')))}"
    mine.mkdir()
    return mine


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_passing_failure_is_tried_again_when_due(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """A failed attempt waits in a retry lane, never early, and its request then gets its one outcome."""
    points = tmp_path / "points"
    points.mkdir()
    failing = points / f"{Failpoint.PAINTING}.failing"
    failing.touch()
    settings = {"WORKER__RETRY_DELAY_SCALE": "0.05", "WORKER__FAILPOINTS": str(points)}
    site = Site.fresh(kafka, s3, **ALONE, **settings).prepare()
    async with cms(site) as desk:
        desk.consumer.subscribe([site.topic(base) for base in (names.OUTCOME, names.DEAD_LETTER, names.RETRY_1M)])
        with workers(site, tmp_path) as (worker,):
            asked = await desk.ask(request_data("a-1"))
            await until(lambda: any(line["outcome"] == "retry" for line in lines(worker, "article_image")))
            failing.unlink()
            outcome = await answer(desk, asked)
            told = time.time()
    (waited,) = desk.records(names.RETRY_1M)
    headers = {name: value.decode() for name, value in waited.headers}

    assert outcome["ce"]["type"] == names.IMAGE_READY
    assert told >= int(headers["leadart-due"]) / 1000
    assert (headers["leadart-attempts"], headers["leadart-reason"]) == ("1", "engine_failed")
    assert (headers["leadart-topic"], headers["ce_id"]) == (site.topic(names.REQUESTED), asked)
    assert desk.records(names.DEAD_LETTER) == []


async def test_used_up_attempts_fail_with_the_original_kept(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """A request that fails in every lane gets one failed outcome; its dead letter is what was published."""
    points = tmp_path / "points"
    points.mkdir()
    (points / f"{Failpoint.PAINTING}.failing").touch()
    settings = {"WORKER__RETRY_DELAY_SCALE": "0.001", "WORKER__FAILPOINTS": str(points)}
    site = Site.fresh(kafka, s3, **ALONE, **settings).prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            asked = await desk.ask(request_data("a-1"))
            outcome = await answer(desk, asked)
            await desk.until(lambda: bool(desk.records(names.DEAD_LETTER)))
    (letter,) = desk.records(names.DEAD_LETTER)
    headers = {name: value.decode() for name, value in letter.headers}

    assert (outcome["reason"], outcome["attempts"], outcome["retryable"]) == ("engine_failed", 4, True)
    assert json.loads(letter.value or b"") == request_data("a-1")
    assert (headers["leadart-topic"], headers["leadart-attempts"]) == (site.topic(names.REQUESTED), "4")
    assert "leadart-due" not in headers


async def test_a_broken_engine_drains_nothing(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """While nothing can be painted requests are held, which everybody can see; afterwards every one is made."""
    points = tmp_path / "points"
    points.mkdir()
    failing = points / f"{Failpoint.PAINTING}.failing"
    failing.touch()
    settings = {
        "WORKER__FAILPOINTS": str(points),
        "WORKER__BREAKER_PROBE_SECONDS": "0.5",
        "WORKER__RETRY_DELAY_SCALE": "0.05",
    }
    site = Site.fresh(kafka, s3, **ALONE, **settings).prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path) as (worker,):
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(40)]
            await until(lambda: "the breaker is open" in worker.get("/readyz")[1])
            await until(lambda: "engine_failed" in site.run("lag", "--json").stdout)
            await until(lambda: "leadart_breaker_open 1.0" in worker.get("/metrics")[1])
            await until(lambda: len(lines(worker, "breaker_still_open")) > 1)
            failing.unlink()
            outcomes = [await answer(desk, request_id) for request_id in asked]
            retried = [line for line in lines(worker, "article_image") if line["outcome"] == "retry"]
            await until(lambda: worker.get("/readyz")[0] == 200)

    assert {outcome["ce"]["type"] for outcome in outcomes} == {names.IMAGE_READY}
    assert desk.records(names.DEAD_LETTER) == []
    assert len(retried) == 4


async def test_workers_killed_by_hand_blame_no_request(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """A request in the engine at many deaths of the worker gets its picture in the end, and so do its neighbours."""
    points = tmp_path / "points"
    points.mkdir()
    settings = {"WORKER__FAILPOINTS": str(points), "WORKER__RETRY_DELAY_SCALE": "0.01"}
    site = Site.fresh(kafka, s3, **ALONE, ENGINE__SWATCH_SECONDS="1.5", **settings).prepare()
    async with cms(site) as desk:
        asked = [await desk.ask(request_data("unlucky"))]
        for _ in range(5):
            arm(points, Failpoint.PAINTING)
            with workers(site, life(tmp_path)) as (worker,):
                await hit(points, Failpoint.PAINTING)
                worker.kill()
        asked += [await desk.ask(request_data(f"a-{number}", revision=number)) for number in range(3)]
        with workers(site, life(tmp_path)):
            made = [await answer(desk, request_id) for request_id in asked]

    assert [ready["ce"]["type"] for ready in made] == [names.IMAGE_READY] * 4
    assert desk.records(names.DEAD_LETTER) == []


async def test_stopping_in_order_is_no_death(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """However often a worker is stopped while a request is in its engine, the request gets its picture in the end."""
    points = tmp_path / "points"
    points.mkdir()
    grace = {"WORKER__SHUTDOWN_GRACE_SECONDS": "0", "WORKER__FAILPOINTS": str(points)}
    site = Site.fresh(kafka, s3, **ALONE, **grace, ENGINE__SWATCH_SECONDS="3").prepare()
    async with cms(site) as desk:
        asked = await desk.ask(request_data("a-1"))
        for _ in range(3):
            arm(points, Failpoint.PAINTING)
            with workers(site, life(tmp_path)) as (worker,):
                await hit(points, Failpoint.PAINTING)
                assert worker.stop() == 0
        with workers(site, life(tmp_path)):
            outcome = await answer(desk, asked)

    assert outcome["ce"]["type"] == names.IMAGE_READY
