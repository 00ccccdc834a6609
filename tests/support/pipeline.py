"""A pipeline on a bench: the swatch engine and the in-memory store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from consumer.engine.swatch import MODEL, SwatchEngine
from consumer.jobs import Job, Lane, Paintable, Picture, Recipe, Record
from consumer.pictures.encoder import PictureEncoder
from consumer.processing.admission import Admission
from consumer.processing.announcing import Announcer
from consumer.processing.context import JobContext, Timings
from consumer.processing.pipeline import Pipeline
from consumer.processing.progress import ProgressReporter
from consumer.processing.renditions import RenditionStage
from consumer.processing.store_outage import StoreOutage
from consumer.processing.styles import load_styles
from consumer.renditions import Encoding, RenditionFormat, RenditionSet
from consumer.settings import DisclosureSettings, EngineSettings
from consumer.testing.store import MemoryStore
from schemas import ImageReady, ImageRequested, names
from schemas.cloudevents import Event
from schemas.recrop import ImageRecropRequested

BOUND = 10.0

HERO = RenditionSet("hero", (16, 9), (32, 48, 128), (Encoding(RenditionFormat.WEBP, 60, 30),))
SQUARE = RenditionSet("square", (1, 1), (48,), (Encoding(RenditionFormat.JPEG, 60, 30),))
THUMB = RenditionSet("thumb", None, (16,), (Encoding(RenditionFormat.WEBP, 60, 30),))


@dataclass(frozen=True)
class FixedSets:
    """Rendition sets that are the same for every slot."""

    all: tuple[RenditionSet, ...] = ()
    small: tuple[RenditionSet, ...] = ()

    def full(self, slot: str) -> tuple[RenditionSet, ...]:
        assert slot
        return self.all

    def thumbs(self, slot: str) -> tuple[RenditionSet, ...]:
        assert slot
        return self.small


NO_SETS = FixedSets()
SETS = FixedSets((HERO, SQUARE, THUMB), (THUMB,))
"""Four files of a picture of 64x64; the widest of `hero` is larger than that."""


class FakeEngine(SwatchEngine):
    """A swatch engine that raises the given errors first, and counts what it paints."""

    def __init__(self, failures: list[Exception] | None = None) -> None:
        super().__init__(EngineSettings(swatch_seconds=0))
        self.failures = failures or []
        self.painted = 0
        self.wait: asyncio.Event | None = None
        self.cuts: list[bool] = []
        self.identity = MODEL
        self.loaded: dict[str, str] = {}

    @property
    def paintable(self) -> Paintable:
        return Paintable(self.identity, self.loaded)

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        if self.wait:
            await asyncio.wait_for(self.wait.wait(), BOUND)
        if self.failures:
            raise self.failures.pop(0)
        self.painted += 1
        picture = await super().paint(recipe, lane, on_step)
        return replace(picture, prompt_cut=self.cuts.pop(0)) if self.cuts else picture


class RecordingReporter(ProgressReporter):
    """Keeps what is reported, one sentence each."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def started(self, index: int) -> None:
        self.reports.append(f"started {index}")

    def step(self, index: int, done: int, of: int) -> None:
        self.reports.append(f"step {index} {done}/{of}")

    def storing(self, index: int) -> None:
        self.reports.append(f"storing {index}")


def job(**parts: Any) -> Job:
    data = {
        "article": {"id": "a-1", "revision": 1, "headline": "Storm over the harbour"},
        "output": {"width": 64, "height": 64},
        "generation": {"steps": 2},
        **parts,
    }
    event = Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=data)
    record = Record("requested", 0, 0, b"a-1", b"", (), 0)
    return Job(event, ImageRequested.model_validate(data), record, Lane.LIVE)


def recrop(**parts: Any) -> Job:
    """Return a re-crop; `parts` name the picture."""
    data = {"article": {"id": "a-1", "revision": 1}, "focal_point": {"x": 0.25, "y": 0.75}, **parts}
    event = Event(id="c-1", source="/cms", type=names.IMAGE_RECROP_REQUESTED, data=data)
    record = Record("requested", 0, 1, b"a-1", b"", (), 0)
    return Job(event, ImageRecropRequested.model_validate(data), record, Lane.INTERACTIVE)


def expiring(seconds: float) -> Job:
    until_then = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    asked = job()
    return replace(asked, event=replace(asked.event, extensions={"expirytime": until_then}))


class Bench:
    """A pipeline and all it works with."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        engine: FakeEngine,
        encoder: PictureEncoder,
        sets: FixedSets = NO_SETS,
    ) -> None:
        self.engine, self.store, self.admission = engine, MemoryStore(), Admission(window=4, unstored=8)
        self.encoder = encoder
        outage = StoreOutage(retry_seconds=0.001)
        self.renditions = RenditionStage(tasks, sets=sets, encoder=encoder, store=self.store, outage=outage, threads=1)
        self.progress, self.timings = RecordingReporter(), Timings()
        self.pipeline = Pipeline(
            tasks,
            styles=load_styles(),
            admission=self.admission,
            engine=engine,
            encoder=encoder,
            store=self.store,
            renditions=self.renditions,
            announcer=Announcer(self.store, outage, DisclosureSettings()),
            outage=outage,
        )

    async def produce(self, asked: Job) -> ImageReady:
        async with asyncio.timeout(BOUND):
            return await self.go(JobContext(asked, self.progress, self.timings))

    async def go(self, context: JobContext) -> ImageReady:
        plan = self.pipeline.plan(context)
        async with context.until_expiry():
            with self.pipeline.handover(context, plan):
                return await self.pipeline.produce(context, plan)


@asynccontextmanager
async def open_bench(failures: list[Exception] | None = None, sets: FixedSets = NO_SETS) -> AsyncIterator[Bench]:
    with PictureEncoder(1) as encoder:
        async with FakeEngine(failures) as engine, asyncio.TaskGroup() as tasks:
            yield Bench(tasks, engine, encoder, sets)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0)
