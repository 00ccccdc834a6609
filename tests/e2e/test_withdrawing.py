"""Withdrawals by real workers: afterwards the bucket is listed, and every address that was announced is fetched."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from consumer.storage import Manifest, S3Store
from schemas import names
from tests.support.harness import BOUND, Cms, Site, answer, cms, request_data, workers
from tests.support.store_rules import Forward, RuledStore, StoreCall, refused

SLOW = {"ENGINE__SWATCH_SECONDS": "1"}


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(
        kafka, s3, TOPICS__PARTITIONS="2", WORKER__STORE_RETRY_SECONDS="0.1", STORAGE__PRESIGNED_SECONDS="3600"
    ).prepare()


def save(article: str, revision: int, prompt: str = "a lighthouse") -> dict[str, Any]:
    return request_data(article, revision, brief={"prompt": f"{prompt} {revision}"})


async def withdraw(desk: Cms, article: str) -> str:
    return await desk.ask({"article": {"id": article}, "slot": None}, event_type=names.ARTICLE_WITHDRAWN)


async def restore(desk: Cms, article: str) -> None:
    await desk.ask({"article": {"id": article}}, event_type=names.ARTICLE_RESTORED)


async def left(site: Site) -> set[str]:
    """Return every key in the bucket but those of probes and markers."""
    async with S3Store(site.settings.storage) as store:
        keys = await store._objects.keys(store._pictures, "")
    return {key for key in keys if not key.endswith("/probe") and not key.startswith("manifests/withdrawn/")}


def addresses(outcomes: Iterable[dict[str, Any]]) -> set[str]:
    """Return every address that these outcomes announce."""
    pictures = [picture for outcome in outcomes for picture in outcome.get("pictures", ())]
    return {file["url"] for picture in pictures for file in [picture, *picture["renditions"]]}


async def statuses(urls: Iterable[str]) -> set[int]:
    """Return how the store answers for these addresses."""
    found = set()
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as response:
                found.add(response.status)
    return found


async def test_a_withdrawn_article_is_gone_until_it_is_restored(site: Site, tmp_path: Path) -> None:
    """Its addresses lead nowhere; later requests end as withdrawn; the picture that another article chose stays."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            shared = await answer(desk, await desk.ask(save("a-1", 1)))
            own = await answer(desk, await desk.ask(save("a-1", 2)))
            chosen = {"sha256": shared["pictures"][0]["sha256"]}
            other = {"article": {"id": "b-1", "revision": 1}, "slot": "hero", "picture": chosen}
            kept = await answer(desk, await desk.ask(other, event_type=names.IMAGE_CHOSEN))

            gone = await answer(desk, await withdraw(desk, "a-1"))
            after = await statuses(addresses([own])), await statuses(addresses([kept]))
            late = await answer(desk, await desk.ask(save("a-1", 3)))
            both = await answer(desk, await withdraw(desk, "b-1"))
            nothing = await left(site)
            await restore(desk, "a-1")
            again = await answer(desk, await desk.ask(save("a-1", 4)))

    assert {one["ce"]["type"] for one in (gone, late, both)} == {names.IMAGE_WITHDRAWN}
    assert after == ({404}, {200})
    assert nothing == set()
    assert await statuses(addresses([again])) == {200}
    assert await statuses(addresses([shared, own, kept])) == {404}


async def test_a_withdrawal_wins_over_everything_that_is_queued_or_painting(site: Site, tmp_path: Path) -> None:
    """Saves in every lane race with it: each gets its outcome, and nothing is left behind."""
    slow = site.changed(**SLOW)
    with workers(slow, tmp_path, 2):
        async with cms(site) as desk:
            first = await desk.ask(save("a-1", 1))
            await answer(desk, first)
            asked = [await desk.ask(save("a-1", number), topic=lane) for number in range(2, 6) for lane in LANES]
            late = await desk.ask(save("a-1", 9))
            gone = await withdraw(desk, "a-1")
            asked += [await desk.ask(save("a-1", number), topic=lane) for number in range(10, 14) for lane in LANES]
            for request in [*asked, late, gone]:
                await answer(desk, request)
            announced = desk.outcomes()

    assert await left(site) == set()
    assert await statuses(addresses(announced)) == {404}


LANES = (names.REQUESTED, names.BACKFILL)


async def test_a_withdrawal_that_is_killed_half_way_is_finished_by_the_next_owner(site: Site, tmp_path: Path) -> None:
    """Between manifests and objects: the outcome comes once all is gone."""
    (points := tmp_path / "points").mkdir()
    with workers(site.changed(WORKER__FAILPOINTS=str(points)), tmp_path) as (worker,):
        async with cms(site) as desk:
            painted = await answer(desk, await desk.ask(save("a-1", 1)))
            (points / f"{Failpoint.WITHDRAWING}.armed").touch()
            gone = await withdraw(desk, "a-1")
            await caught(points)
            worker.kill()
            await desk.settle()
            before, there = desk.outcomes(gone), await statuses(addresses([painted]))
    (next_life := tmp_path / "next").mkdir()
    with workers(site, next_life):
        async with cms(site) as desk:
            await answer(desk, gone)

    assert (before, there) == ([], {200})
    assert await left(site) == set()
    assert await statuses(addresses([painted])) == {404}


@dataclass
class Outage:
    """What refuses to delete pictures until it is `over`; `met` once somebody has tried. `purged`: all addresses."""

    over: bool = False
    met: asyncio.Event = field(default_factory=asyncio.Event)
    purged: list[str] = field(default_factory=list)

    async def rule(self, call: StoreCall, _forward: Forward) -> web.Response | None:
        """Answer for the store."""
        if self.over or call.method != "DELETE" or not call.key.startswith("pictures/"):
            return None
        self.met.set()
        return refused(503, "SlowDown")

    async def purge(self, request: web.Request) -> web.Response:
        """Answer for the CDN's hook."""
        assert request.headers["Authorization"] == "Bearer hush"
        if not self.over:
            self.met.set()
            return web.Response(status=502)
        self.purged.extend((await request.json())["urls"])
        return web.Response(status=204)


@asynccontextmanager
async def purge_hook(outage: Outage) -> AsyncIterator[dict[str, str]]:
    """Serve a CDN's hook, and return the settings by which workers call it."""
    application = web.Application()
    application.router.add_post("/purge", outage.purge)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/purge"
        yield {"STORAGE__PURGE_URL": address, "STORAGE__PURGE_TOKEN": "hush"}
    finally:
        await runner.cleanup()


async def test_a_store_that_refuses_and_a_hook_that_is_down_delay_a_withdrawal(site: Site, tmp_path: Path) -> None:
    """No outcome before both have worked; then the hook has been told every address."""
    store, hook = Outage(), Outage()
    async with purge_hook(hook) as purging, RuledStore(site.settings.storage, store.rule) as proxy:
        behind = site.changed(STORAGE__ENDPOINT_URL=str(proxy.settings.endpoint_url), **purging)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, workers(behind, tmp_path))  # the proxy runs on this loop
            async with cms(site) as desk:
                painted = await answer(desk, await desk.ask(save("a-1", 1)))
                gone = await withdraw(desk, "a-1")
                for part in (store, hook):
                    await asyncio.wait_for(part.met.wait(), BOUND)
                    await desk.settle()
                    assert desk.outcomes(gone) == []
                    part.over = True
                await answer(desk, gone)

    assert {url.partition("?")[0] for url in addresses([painted])} <= set(hook.purged)
    assert await left(site) == set()


async def test_a_frozen_worker_deletes_nothing_that_was_painted_since(site: Site, tmp_path: Path) -> None:
    """Frozen half-way; another finishes, the article is restored and painted again, and then the first one wakes."""
    (points := tmp_path / "points").mkdir()
    first = site.changed(WORKER__FAILPOINTS=str(points))
    with workers(first, tmp_path) as (frozen,):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(save("a-1", 1)))
            (points / f"{Failpoint.WITHDRAWING}.armed").touch()
            gone = await withdraw(desk, "a-1")
            await caught(points)
            frozen.signal(signal.SIGSTOP)
            (second := tmp_path / "second").mkdir()
            with workers(site, second) as (successor,):
                await answer(desk, gone)
                await restore(desk, "a-1")
                again = await answer(desk, await desk.ask(save("a-1", 1)))
                for hit in points.iterdir():
                    hit.unlink()
                frozen.signal(signal.SIGCONT)
                after = await answer(desk, await desk.ask(save("a-1", 2)))
                successor.stop()
                last = await answer(desk, await desk.ask(save("a-1", 3)))  # by the one that was frozen

    assert await statuses(addresses([again, after, last])) == {200}


def hits(points: Path) -> list[Path]:
    """Return what workers that stand there left behind."""
    return list(points.glob(f"{Failpoint.WITHDRAWING}.hit-*"))


async def caught(points: Path) -> None:
    """Wait until a worker stands half-way through a withdrawal."""
    async with asyncio.timeout(BOUND):
        while not hits(points):
            await asyncio.sleep(0.02)


async def test_pictures_of_before_are_withdrawn_once_their_users_are_entered(site: Site, tmp_path: Path) -> None:
    """Of an archive without users: the outcomes on the bus tell who shows what."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            painted = await answer(desk, await desk.ask(save("a-1", 1)))
            async with S3Store(site.settings.storage) as store:
                await forget_users(store)
            entered = await asyncio.to_thread(site.run, "store", "index", "--users", "--json")
            await answer(desk, await withdraw(desk, "a-1"))

    assert json.loads(entered.stdout) == {"dry_run": False, "announced": 1, "entered": 1, "gone": 0}, entered.stderr
    assert await left(site) == set()
    assert await statuses(addresses([painted])) == {404}


async def forget_users(store: S3Store) -> None:
    """Make the archive one of an earlier version."""
    for key in await store._objects.keys(store._manifests, "manifests/"):
        if key.startswith("manifests/articles/"):
            await store._objects.delete(store._manifests, [key])
        elif (found := await store._objects.text(store._manifests, key)) and b'"use":' in found[0]:
            manifest = Manifest.model_validate_json(found[0]).handed_to(None)
            text = manifest.model_dump_json().encode()
            await store._objects.put(Bucket=store._manifests, Key=key, Body=text)
