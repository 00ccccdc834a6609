"""A store in which articles share pictures, are withdrawn, and whose calls a test can order."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.jobs import Master, Recipe, StoredPicture, Use
from consumer.storage import S3Store
from consumer.storage.erasure_lease import Waiting
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MADE, ORDER, RECIPE

A, B, C = (Use(f"article-{name}", "hero") for name in "abc")
BOUND = 30.0


def recipe(seed: int) -> Recipe:
    return replace(RECIPE, seed=seed)


@dataclass
class Archive:
    """A bucket in memory with its own time, which only waiting moves."""

    client: MemoryS3 = field(default_factory=MemoryS3)
    now: float = 0.0
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Waiting(lambda: self.now, self._pause)

    @property
    def store(self) -> S3Store:
        """The store, as another worker opens it."""
        return self.client.store(self.waiting)

    async def _pause(self, seconds: float) -> None:
        await self.client.turn("pause")
        self.now += seconds

    async def paint(self, use: Use, seed: int = 1, data: str = "") -> StoredPicture:
        """Keep a picture for a user."""
        master = Master((data or f"master {seed}").encode(), "image/png", 8, 8)
        return await self.store.keep(recipe(seed), master, replace(ASKED, use=use))

    async def announce(self, use: Use, seed: int = 1) -> StoredPicture:
        """Find or keep a picture, and refer to it if it was painted for another, as the pipeline does."""
        while True:
            picture = await self.store.find(recipe(seed)) or await self.paint(use, seed)
            if picture.painted_for == use or await self.store.refer(picture, use):
                return picture

    async def render(self, picture: StoredPicture) -> bool:
        """Keep renditions of a picture; return whether they were kept."""
        files = tuple(replace(each, data=each.data + picture.sha256.encode()) for each in MADE.renditions)
        return await self.store.keep_renditions(picture, ORDER, replace(MADE, renditions=files)) is not None

    async def whole(self, picture: StoredPicture) -> bool:
        """Return whether the picture is found, with its bytes."""
        found = await self.store.find(recipe(picture.seed))
        return found is not None and found.key == picture.key and await self.store.read(found) is not None

    def promises_kept(self) -> bool:
        """Return whether every object that a manifest names is there."""
        texts = [body.decode() for key, body in self.client.objects.items() if _is_manifest(key)]
        named = {key for text in texts for key in re.findall(r"pictures/[0-9a-f]{2}/[0-9a-f]{64}\.\w+", text)}
        return named <= self.client.objects.keys()

    def left(self) -> set[str]:
        """Return every key but the markers'."""
        return {key for key in self.client.objects if not key.startswith("manifests/withdrawn/")}


def _is_manifest(key: str) -> bool:
    return bool(re.match(r"manifests/[0-9a-f]{2}/", key)) and not key.endswith(".files.json")


class Killed(BaseException):
    """The worker dies."""


@dataclass
class KilledAfter:
    """Lets so many calls through; every later one finds the worker dead."""

    calls: int
    seen: int = 0

    async def __call__(self, _operation: str) -> None:
        self.seen += 1
        if self.seen > self.calls:
            raise Killed


@dataclass
class Interleaved:
    """Orders the calls of several tasks by chance."""

    chance: random.Random
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def __call__(self, _operation: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn

    async def run(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run the calls to their ends; return results and errors."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        async with asyncio.timeout(BOUND):
            while not all(task.done() for task in tasks):
                for _ in range(20):  # until every task waits for its turn
                    await asyncio.sleep(0)
                if self.waiting:
                    self.waiting.pop(self.chance.randrange(len(self.waiting))).set_result(None)
        return await asyncio.gather(*tasks, return_exceptions=True)
