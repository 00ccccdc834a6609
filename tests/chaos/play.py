"""Plays one cell: asks, catches a worker, strikes, waits for the last outcome, counts."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.counting import count
from tests.chaos.fleet import Fleet, running
from tests.chaos.load import REQUESTS, Asked, make_load, publish
from tests.chaos.matrix import Column, Row
from tests.chaos.results import Result
from tests.chaos.scene import Scene
from tests.chaos.servers import Servers
from tests.chaos.site import empty, newsroom
from tests.chaos.strikes import SESSION_SECONDS
from tests.support.harness import Site, cms

OUTCOME_SECONDS = 90.0
STRIKE_SECONDS = 150.0
PARTITIONS = 4
PART = REQUESTS // 3

SETTINGS = {
    "KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    "KAFKA__TRANSACTION_TIMEOUT_SECONDS": "5",
    "TOPICS__PARTITIONS": str(PARTITIONS),
    "ENGINE__SWATCH_SECONDS": "0.5",
    "WORKER__RETRY_DELAY_SCALE": "0.02",
    "WORKER__JOBS_IN_HAND": "6",  # below what is waiting, so that every epoch begins with full lanes
}


async def play(row: Row, column: Column, servers: Servers, folder: Path) -> Result:
    """Play the cell on these servers; its site, failpoints and logs are its own, in `folder`."""
    started, seed = time.monotonic(), zlib.crc32(f"{row.name}:{column}".encode())
    load = make_load(seed, row.steps)
    async with opened(row, servers, folder, seed) as scene:
        await _begin(scene, load[:PART], column)
        rest = load[PART:] if column.place is None else load[2 * PART :]
        if not await _caught(scene, load[PART : len(load) - len(rest)], column):
            return Result(row=row.name, column=column, seed=seed, fired=False)
        struck = time.monotonic()
        await _strike(scene, row, rest)
        await _hear_all(scene, load)
        recovered = time.monotonic() - struck
        facts = await _facts(scene, load)
    seconds = round(time.monotonic() - started, 1)
    told = {"row": row.name, "column": column, "seed": seed, "fired": True, "requests": len(load)}
    return Result.read({**told, **facts, "recover_seconds": round(recovered, 2), "seconds": seconds})


@asynccontextmanager
async def opened(row: Row, servers: Servers, folder: Path, seed: int) -> AsyncIterator[Scene]:
    empty(folder)
    own = {"WORKER__FAILPOINTS": str(folder)}
    site = Site.fresh(servers.kafka, servers.s3, **SETTINGS, **servers.env, **row.settings, **own)
    site = dataclasses.replace(site, command=row.command)
    await site.make_ready()
    fleet = Fleet(site, servers.slots, folder)
    async with newsroom(site) as desk, cms(site, "read_uncommitted") as witness, running(fleet, row.workers):
        yield Scene(servers, site, fleet, desk, witness, folder, random.Random(seed))


async def _begin(scene: Scene, requests: Sequence[Asked], column: Column) -> None:
    """Get the site going: some outcomes are there before the strike; all of them, if it is to hit idle workers."""
    await publish(scene.desk, requests)
    enough = len(requests) if column is Column.IDLE else len(requests) // 2
    await scene.desk.until(lambda: len(scene.desk.outcomes()) >= enough)
    scene.victim = scene.dice.choice(scene.fleet.workers)
    if column is Column.IDLE:
        assert not await scene.drained()


async def _caught(scene: Scene, requests: Sequence[Asked], column: Column) -> bool:
    """Publish more and catch a worker at it; True at once where nobody is to be caught."""
    if column.place is None:
        return True
    await publish(scene.desk, requests)
    if column is Column.REBALANCING:
        scene.fleet.add()  # it joins the group seconds from now
    return await scene.caught(column.place)


async def _strike(scene: Scene, row: Row, rest: Sequence[Asked]) -> None:
    """Strike and heal while the rest is published."""
    async with asyncio.TaskGroup() as both:
        both.create_task(publish(scene.desk, rest))
        async with asyncio.timeout(STRIKE_SECONDS):
            await row.strike(scene)


async def _facts(scene: Scene, load: Sequence[Asked]) -> dict[str, Any]:
    """Return what is to be said of a cell whose last outcome was heard, or given up on."""
    trouble = await unready(scene.fleet)
    behind = await scene.drained()
    await scene.desk.settle()
    counted = await count(scene.desk, scene.witness, load)
    return {"unready": trouble, "behind": behind, "exits": tuple(scene.fleet.exits), **asdict(counted)}


async def _hear_all(scene: Scene, load: Sequence[Asked]) -> None:
    """Wait for every outcome; those that never come are counted as lost."""
    due = {asked.id for asked in load}
    with suppress(AssertionError):
        await scene.desk.until(
            lambda: due <= {outcome["request_id"] for outcome in scene.desk.outcomes()}, OUTCOME_SECONDS
        )


async def unready(fleet: Fleet) -> str:
    """Return why a worker does not get ready again, empty if all do."""
    try:
        await fleet.ready()
    except TimeoutError as error:
        return str(error)
    return ""
