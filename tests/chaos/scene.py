"""One cell while it is played: a site of its own, workers, a CMS, and the place where a worker is caught."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import TopicPartition

from consumer.failpoints import PASS, Failpoint
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import lane_topics
from schemas import names
from tests.chaos.fleet import Fleet
from tests.chaos.servers import Servers
from tests.support.harness import BOUND, Cms, Site, WorkerProcess

LOOK_SECONDS = 0.002
"""Between two looks for a hit: a commit is in flight for a few milliseconds only."""

HIT_SECONDS = 30.0
OPEN_SECONDS = 0.1


@dataclass
class Scene:
    """What a strike may touch. `victim` is the worker that was caught, or any when none was.

    `desk` hears what was committed, `witness` also what was not, or not yet.
    """

    servers: Servers
    site: Site
    fleet: Fleet
    desk: Cms
    witness: Cms
    folder: Path
    dice: random.Random
    victim: WorkerProcess = field(init=False)
    _hit: Path | None = None

    async def caught(self, place: Failpoint) -> bool:
        """Wait until a worker is caught there and make it the victim; False if none came by.

        In a transaction it is caught only when that holds outcomes: many hold nothing but what enters the engine.
        """
        if place not in {Failpoint.BEGUN, Failpoint.COMMITTING}:
            return await self._caught(place)
        while await self._caught(Failpoint.BEGUN):
            if not await self._holds_outcomes():
                self.release()
            elif place is Failpoint.BEGUN or await self._caught_next(place):
                return True
        return False

    async def _caught(self, place: Failpoint) -> bool:
        self._arm(place)
        deadline = time.monotonic() + HIT_SECONDS
        while time.monotonic() < deadline:
            for hit in self.folder.glob(f"{place}.hit-*"):
                self._hit = hit
                self.victim = self.fleet.by_pid(int(hit.name.rpartition("-")[2]))
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _caught_next(self, place: Failpoint) -> bool:
        """Let the victim go and catch it again at the next place; True unless another worker came by first."""
        held, victim = self._hit, self.victim
        catching = asyncio.create_task(self._caught(place))
        await asyncio.sleep(0)  # armed now
        if held is not None:
            held.unlink()
        if not await catching or self.victim is victim:
            return True
        self.release()
        return False

    async def _holds_outcomes(self) -> bool:
        """Tell whether a transaction stays open on the outcome topic: others are over within milliseconds."""
        before = await self._open_transactions()
        await asyncio.sleep(OPEN_SECONDS)
        return bool(before.items() & (await self._open_transactions()).items())

    async def _open_transactions(self) -> dict[TopicPartition, int]:
        """Return where a read-committed subscriber has to wait, for each partition with outcomes not committed."""
        topic = self.site.topic(names.OUTCOME)
        partitions = [TopicPartition(topic, shard) for shard in range(self.site.settings.topics.partitions)]
        stable = await self.desk.consumer.end_offsets(partitions)
        ends = await self.witness.consumer.end_offsets(partitions)
        return {tp: offset for tp, offset in stable.items() if offset < ends[tp]}

    def _arm(self, place: Failpoint) -> None:
        """Catch the next worker that comes by; in the engine it is not held, so that the engine works on."""
        armed = self.folder / f"{place}.armed"
        draft = armed.with_suffix(".draft")
        draft.write_text(PASS if place is Failpoint.PAINTING else "")
        draft.rename(armed)

    def release(self) -> None:
        """Let the caught worker go on, if it can."""
        if self._hit is not None:
            self._hit.unlink(missing_ok=True)

    async def pause(self, seconds: float) -> None:
        """Let the trouble last."""
        await asyncio.sleep(seconds)

    async def behind(self) -> tuple[str, ...]:
        """Return which lanes' partitions the group has not passed to their end: committed offset, metadata and end."""
        settings = self.site.settings
        lanes = lane_topics(settings)
        partitions = [TopicPartition(lane, shard) for lane in lanes for shard in range(settings.topics.partitions)]
        async with open_admin(settings.kafka) as admin:
            committed = await admin.committed_offsets(partitions)
        ends = await self.desk.consumer.end_offsets(partitions)
        return tuple(
            f"{tp.topic}:{tp.partition} at {committed[tp].offset} ({committed[tp].metadata or '-'}) of {ends[tp]}"
            for tp in partitions
            if committed[tp].offset < ends[tp]
        )

    async def drained(self, seconds: float = BOUND) -> tuple[str, ...]:
        """Wait until the group has passed every record; return what it has not passed in time."""
        deadline = time.monotonic() + seconds
        while (behind := await self.behind()) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        return behind
