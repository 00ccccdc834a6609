"""Calling off and pausing, with real workers on Apache Kafka: nobody stops, and each request has one outcome."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.delivery.ports import OutgoingRecord, Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.admin_client import open_admin
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import BOUND, Cms, Site, WorkerProcess, answer, cms, request_data, workers
from tests.support.lanes import asking, put, records

REQUESTS = 200
QUICK_ROUNDS = {"WORKER__RETRY_DELAY_SCALE": "0.005"}
"""A round of a retry lane takes 0.3 s, or 3 s once paused for that long."""


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, ENGINE__SWATCH_SECONDS="0.3", **QUICK_ROUNDS).prepare()


async def run(site: Site, *arguments: str) -> str:
    """Run a command while the test listens, and return its output."""
    done = await asyncio.to_thread(site.run, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kinds(desk: Cms) -> Counter[str]:
    return Counter(outcome["ce"]["type"] for outcome in desk.outcomes())


def backfill(site: Site, count: int) -> list[OutgoingRecord]:
    return [asking(site, f"b-{number}", partition=number % 3) for number in range(count)]


async def test_a_backfill_is_called_off_in_its_middle(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Of 200 replayed requests the rest ends as cancelled, once each; the worker stays and serves live requests."""
    site = Site.fresh(kafka, s3, ENGINE__SWATCH_SECONDS="0.3")
    await run(site, "topics", "apply")
    await put(site, backfill(site, REQUESTS))
    site.prepare("latest")  # the group begins behind them: only their replay is worked on
    replay = json.loads(await run(site, "replay", "--from", "0", "--execute", "--json"))["replay_id"]
    async with cms(site) as desk:
        with workers(site, tmp_path) as (worker,):
            await desk.until(lambda: len(desk.outcomes()) >= 10)
            said = await run(site, "replay", "cancel", replay, "--execute")
            live = await desk.ask(request_data("live"))
            assert (await answer(desk, live))["ce"]["type"] == names.IMAGE_READY
            await desk.until(lambda: len(desk.outcomes()) > REQUESTS)
            await desk.settle()
            assert worker.process.poll() is None

    assert said.startswith(f"called off  replay {replay}: ")
    assert set(Counter(outcome["request_id"] for outcome in desk.outcomes()).values()) == {1}
    assert set(kinds(desk)) == {names.IMAGE_READY, names.IMAGE_CANCELLED}
    assert kinds(desk)[names.IMAGE_CANCELLED] > REQUESTS / 2
    called_off = next(one for one in desk.outcomes() if one["ce"]["type"] == names.IMAGE_CANCELLED)
    assert called_off["message"] == f"An operator called this off: replay {replay}."


async def test_what_is_being_painted_stops_at_the_next_step(site: Site, tmp_path: Path) -> None:
    """A picture that would take minutes ends within seconds, although the worker had nothing to commit meanwhile."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="100")
    async with cms(site) as desk:
        with workers(slow, tmp_path) as (worker,):
            asked = await desk.ask(request_data("a-1", article={"section": "sports"}))
            await until(lambda: metric(worker, "leadart_jobs_in_hand") == 1)
            await run(site, "replay", "cancel", "--section", "sports", "--execute")
            ended = await answer(desk, asked, 30)

    assert ended["ce"]["type"] == names.IMAGE_CANCELLED


async def test_a_paused_section_stays_held_across_restarts(site: Site, tmp_path: Path) -> None:
    """Its requests wait, others are served; after a restart of all workers still; once resumed they are painted."""
    await run(site, "pause", "--section", "sports", "--execute")
    async with cms(site) as desk:
        with workers(site, folder(tmp_path, "first"), 2):
            held = [await desk.ask(request_data(f"s-{n}", article={"section": "sports"})) for n in range(3)]
            await answer(desk, await desk.ask(request_data("w-1", article={"section": "weather"})))
            await rounds(site, [b"s-0", b"s-1", b"s-2"])
        with workers(site, folder(tmp_path, "second"), 2) as (worker, _):
            await answer(desk, await desk.ask(request_data("w-2", article={"section": "weather"})))
            await rounds(site, [b"s-0", b"s-1", b"s-2"])
            assert [len(desk.outcomes(one)) for one in held] == [0, 0, 0]
            await until(lambda: metric(worker, "leadart_paused") == 1)
            status, page = worker.get("/readyz")
            assert (status, json.loads(page)["degraded"]["paused"].startswith("paused: section sports")) == (200, True)
            await run(site, "resume", "--section", "sports", "--execute")
            answers = [await answer(desk, one) for one in held]
        await desk.settle()

    assert {one["ce"]["type"] for one in answers} == {names.IMAGE_READY}
    assert desk.records(names.DEAD_LETTER) == []


async def test_a_paused_lane_is_not_read_until_it_is_resumed(site: Site, tmp_path: Path) -> None:
    """The backfill stands still, with its lag shown apart; live requests go on."""
    await run(site, "pause", "--lane", "backfill", "--execute")
    with workers(site, tmp_path):
        async with cms(site) as desk:
            event = Event(id="b-1", source="/cms/test", type=names.IMAGE_REQUESTED, data=request_data("b-1"))
            headers, value = write(event)
            await desk.publish(b"b-1", value, headers, names.BACKFILL)
            await answer(desk, await desk.ask(request_data("a-1")))
            lag = json.loads(await run(site, "lag", "--json"))
            assert desk.outcomes("b-1") == []
            await run(site, "resume", "--lane", "backfill", "--execute")
            assert (await answer(desk, "b-1"))["ce"]["type"] == names.IMAGE_READY

    lane = next(lane for lane in lag["lanes"] if lane["topic"] == site.topic(names.BACKFILL))
    assert (lane["verdict"], lane["incomplete"], lane["paused"]) == ("OK", 0, 1)
    assert [pause["match"] for pause in lag["pauses"]] == [{"lane": site.topic(names.BACKFILL)}]


async def test_deleting_a_backfill_stops_no_running_worker(site: Site, tmp_path: Path) -> None:
    """What is deleted is counted as lost; what is in flight ends, live requests are served, and later replays too."""
    slow = site.changed(WORKER__JOBS_IN_HAND="3", ENGINE__SWATCH_SECONDS="1")
    await put(site, long_backfill(site, 90))
    async with cms(site) as desk:
        with workers(slow, tmp_path) as (worker,):
            await desk.until(lambda: len(desk.outcomes()) >= 3)
            async with open_admin(site.settings.kafka) as admin:
                for number in range(3):
                    await admin.delete_records(Partition(site.topic(names.BACKFILL), number), -1)  # all there is
            live = await desk.ask(request_data("live"))
            assert (await answer(desk, live))["ce"]["type"] == names.IMAGE_READY
            await until(lambda: "records_deleted_unread" in worker.log.read_text())
            await run(site, "replay", "--from", "0", "--execute")
            await desk.until(lambda: len(desk.outcomes(live)) == 2)
            assert worker.process.poll() is None


def long_backfill(site: Site, count: int) -> list[OutgoingRecord]:
    """Return requests that a worker reads a few at a time, since it reads ahead by bytes."""
    long = {"avoid": [f"{number} " + "rain " * 30 for number in range(20)], "prompt": "storm " * 300}
    asked = [asking(site, f"b-{number}", partition=number % 3, brief=long) for number in range(count)]
    return [replace(one, topic=site.topic(names.BACKFILL)) for one in asked]


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def metric(worker: WorkerProcess, name: str) -> float:
    """Return the sum of a metric's series."""
    families = text_string_to_metric_families(worker.get("/metrics")[1])
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def until(condition: Callable[[], bool], seconds: float = BOUND) -> None:
    """Wait for another process."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def rounds(site: Site, articles: Collection[bytes]) -> None:
    """Wait until each article's request went round the retry lanes twice more."""
    before = await rounds_so_far(site)
    async with asyncio.timeout(BOUND):
        while True:
            now = await rounds_so_far(site)
            if all(now[article] >= before[article] + 2 for article in articles):
                return


async def rounds_so_far(site: Site) -> Counter[bytes | None]:
    lanes = [await records(site, base) for base in (names.RETRY_1M, names.RETRY_10M)]
    return Counter(record.key for lane in lanes for record in lane)
