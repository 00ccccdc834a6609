"""Workers are killed and frozen at random; a read-committed subscriber counts."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import Cms, Site, WorkerProcess, cms, request_data

REQUESTS = 200
WORKERS = 3
STRIKES = 12
KILLS = 0.6
SESSION_SECONDS = 6
MOST_STRIKES = 40
PUBLISH_EVERY_SECONDS = 0.15
SEED = 20261123


class Fleet:
    """Workers that are replaced when they die, as an orchestrator does."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._started = 0
        self.running = [self._start() for _ in range(WORKERS)]

    def _start(self) -> WorkerProcess:
        self._started += 1
        return WorkerProcess(self._site, self._folder / f"worker-{self._started}.log")

    async def strike(self, dice: random.Random, witness: Cms) -> str:
        """Hit the worker that is writing right now: kill it and start another, or freeze it past its session."""
        number = await self._writer(witness) or dice.randrange(WORKERS)
        victim = self.running[number]
        if dice.random() < KILLS:
            victim.kill()
            self.running[number] = self._start()
            return "kill"
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_SECONDS + dice.uniform(1, 3))
        victim.signal(signal.SIGCONT)
        return "freeze"

    async def _writer(self, witness: Cms) -> int | None:
        """Wait for a record that is not yet committed, and return which worker owns its partition."""
        owners = {shard: number for number, worker in enumerate(self.running) for shard in assigned(worker)}
        await witness.settle()  # what was written while nobody looked says nothing about now
        seen = len(witness.seen)
        with contextlib.suppress(AssertionError):
            await witness.until(lambda: len(witness.seen) > seen, seconds=3)
        return owners.get(witness.seen[-1].partition) if witness.seen else None

    def end(self) -> None:
        """Kill whoever is left."""
        for worker in self.running:
            worker.signal(signal.SIGCONT)
            worker.kill()


def assigned(worker: WorkerProcess) -> list[int]:
    """Return the shards of the worker's last assignment, as its log tells."""
    lines = re.findall(r'"shards": \[([^\]]*)\], "event": "assigned"', worker.log.read_text())
    return [int(shard) for shard in lines[-1].split(",") if shard.strip()] if lines else []


async def publish(desk: Cms, enough: asyncio.Event) -> dict[str, str]:
    """Publish until told that it is enough; returns what each request must get, by event id."""
    dice = random.Random(SEED)
    due: dict[str, str] = {}
    while len(due) < REQUESTS or not enough.is_set():
        number = len(due)
        invalid = number % 20 == 7
        parts = {"output": {"width": 5000}} if invalid else {"output": {"width": 64, "height": 64}}
        request_id = await desk.ask(request_data(f"article-{dice.randrange(60)}", revision=number, **parts))
        due[request_id] = names.IMAGE_FAILED if invalid else names.IMAGE_READY
        await asyncio.sleep(PUBLISH_EVERY_SECONDS)
    return due


async def strike_until_it_hurts(fleet: Fleet, witness: Cms) -> Counter[str]:
    """Strike until enough of both kinds were struck and a transaction was cut off."""
    dice, strikes = random.Random(SEED), Counter[str]()
    while strikes.total() < MOST_STRIKES:
        strikes[await fleet.strike(dice, witness)] += 1
        if strikes.total() >= STRIKES and len(strikes) > 1 and copies_aborted(witness):
            break
    return strikes


def copies_aborted(witness: Cms) -> int:
    """Return how many outcomes an uncommitted reader saw more than once: the first copies were aborted."""
    return sum(Counter(outcome["request_id"] for outcome in witness.outcomes()).values()) - len(
        {outcome["request_id"] for outcome in witness.outcomes()}
    )


async def test_every_request_gets_exactly_one_outcome(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Whoever dies, and whenever: each request gets one visible outcome of the right kind, its pictures are there."""
    settings = {
        "KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "ENGINE__SWATCH_SECONDS": "0.3",
        "TOPICS__PARTITIONS": "6",
        "WORKER__JOBS_IN_HAND": "6",  # far below the backlog, so that every epoch begins with full lanes
    }
    site = Site.fresh(kafka, s3, **settings).prepare()
    fleet = Fleet(site, tmp_path)
    try:
        async with cms(site) as desk, cms(site, "read_uncommitted") as witness:
            for worker in fleet.running:
                worker.wait_ready()
            enough = asyncio.Event()
            publishing = asyncio.create_task(publish(desk, enough))
            strikes = await strike_until_it_hurts(fleet, witness)
            enough.set()
            due = await publishing
            await desk.until(lambda: len(desk.outcomes()) >= len(due), seconds=180)
            await desk.settle()
            await witness.settle()
    finally:
        fleet.end()

    print(f"{len(due)} requests, strikes {dict(strikes)}, {copies_aborted(witness)} aborted copies")  # noqa: T201 - the record
    assert Counter(outcome["request_id"] for outcome in desk.outcomes()) == Counter(list(due))
    check_kinds(desk, due)
    assert strikes.keys() == {"kill", "freeze"}
    assert copies_aborted(witness), "no transaction was ever aborted: the strikes hit nothing"
    check_pictures(desk)


def check_kinds(desk: Cms, due: Mapping[str, str]) -> None:
    """Each outcome is as due, or superseded by a newer save; each article's newest save that is valid has pictures."""
    newest: dict[str, dict[str, Any]] = {}
    for outcome in desk.outcomes():
        kind, article = outcome["ce"]["type"], outcome["article"]
        if kind == names.IMAGE_SUPERSEDED:
            assert due[outcome["request_id"]] == names.IMAGE_READY
            assert outcome["superseded_by"]["revision"] > article["revision"]
        else:
            assert kind == due[outcome["request_id"]]
        if kind != names.IMAGE_FAILED and article["revision"] >= newest.get(article["id"], article)["revision"]:
            newest[article["id"]] = {"revision": article["revision"], "kind": kind}
    assert {one["kind"] for one in newest.values()} == {names.IMAGE_READY}


def check_pictures(desk: Cms) -> None:
    """Fetch every announced picture once and compare its digest."""
    pictures = {picture["key"]: picture for outcome in desk.outcomes() for picture in outcome.get("pictures", [])}
    assert pictures
    for picture in pictures.values():
        with urllib.request.urlopen(picture["url"], timeout=10) as response:  # noqa: S310 - loopback
            assert hashlib.sha256(response.read()).hexdigest() == picture["sha256"]
