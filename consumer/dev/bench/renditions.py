"""`leadart bench renditions`: what a site's files cost of real pictures, and how many pictures a worker keeps up with.

The engine is replaced by one that gives the pictures at a set pace, as a GPU would, without using the processor; the
rest is the whole worker, with Kafka and the store in memory.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from consumer.dev.bench.engine.plan import PictureShape
from consumer.dev.bench.machine import machine
from consumer.dev.bench.worker import MemoryWorker, request_record
from consumer.dev.demo.stack import settings_of
from consumer.errors import Fatal
from consumer.jobs import Lane, ModelIdentity, Paintable, Picture, Recipe
from consumer.pictures.crops import crop_for, fitting_sizes
from consumer.pictures.decoding import as_srgb, decode
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.master import encode
from consumer.pictures.rendering import render
from consumer.pictures.rendition_file import load_renditions
from consumer.renditions import CENTRE, RenditionOrder, RenditionSet
from consumer.settings import Settings
from consumer.settings.disclosure import DEFAULT_PRODUCER
from schemas import Reason

_SLOT = "hero"
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class RenditionPlan:
    """What to measure: `pictures` as masters, and the whole worker at each of the `paces`, in pictures per second.

    A turn of the worker lasts about `seconds`. `sets` is the site's file, None the bundled one.
    """

    pictures: tuple[Path, ...]
    paces: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    seconds: float = 10.0
    sets: Path | None = None


@dataclass(frozen=True, slots=True)
class FileCost:
    """One file of a picture, or all of them: processor seconds and bytes, the mean over the pictures."""

    name: str
    seconds: float
    bytes_: float


@dataclass(frozen=True, slots=True)
class PaceTurn:
    """The worker beside an engine of one pace: pictures per second of both, and processor seconds a picture."""

    pace: float
    pictures: int
    by_engine: float
    by_worker: float
    cpu_seconds: float

    @property
    def ratio(self) -> float:
        """The worker's throughput as a share of its engine's."""
        return self.by_worker / self.by_engine


@dataclass(frozen=True, slots=True)
class RenditionResult:
    """Everything measured in one run. `master_bytes` is the PNG's size, the mean over the pictures."""

    machine: Mapping[str, str]
    size: tuple[int, int]
    pictures: int
    threads: int
    master_bytes: float
    files: tuple[FileCost, ...]
    full: FileCost
    turns: tuple[PaceTurn, ...]


async def measure_renditions(plan: RenditionPlan, report: Callable[[str], None]) -> RenditionResult:
    """Run the plan, reporting each turn. Raises `Fatal` for a file that is no picture."""
    facts, settings = machine("pillow"), settings_of({"renditions": {"file": plan.sets}, "worker": {"progress": False}})
    painted = [_painted(path) for path in plan.pictures]
    masters = [encode(picture, DEFAULT_PRODUCER).data for picture in painted]
    sets, size = load_renditions(plan.sets).full(_SLOT), (painted[0].width, painted[0].height)
    files = tuple(_cost(masters, (one,), name) for name, one in _single_files(sets, size))
    full = _cost(masters, sets, "the full set")
    report(f"the full set of a picture: {full.seconds:.2f} processor seconds, {full.bytes_ / 1000:.0f} KB")
    turns = [await _turn(plan, settings, painted, pace, report) for pace in plan.paces]
    return RenditionResult(
        machine=facts,
        size=size,
        pictures=len(painted),
        threads=settings.renditions.threads,
        master_bytes=sum(map(len, masters)) / len(masters),
        files=files,
        full=full,
        turns=tuple(turns),
    )


def _painted(path: Path) -> Picture:
    try:
        image = as_srgb(decode(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise Fatal(
            Reason.MISCONFIGURED, f"{path}: {error}: name pictures, such as PNGs of `leadart generate`"
        ) from None
    recipe = Recipe(path.name, "", PacedEngine.paintable.model, (), *image.size, 1, 0.0, 0, "default", 1)
    return Picture(recipe, *image.size, image.tobytes(), 0.0)


def _single_files(sets: Sequence[RenditionSet], size: tuple[int, int]) -> list[tuple[str, RenditionSet]]:
    """Return each file that the sets make of a picture, as a set of its own."""
    singles = []
    for each in sets:
        for width, height in fitting_sizes(each, size, crop_for(each, size, CENTRE)):
            for encoding in each.encodings:
                single = RenditionSet(each.name, each.ratio, (width,), (encoding,), each.largest_bytes)
                singles.append((f"{each.name}-{width} {encoding.format}, {width}x{height}", single))
    return singles


def _cost(masters: Sequence[bytes], sets: tuple[RenditionSet, ...], name: str) -> FileCost:
    """Measure the best of a few times for each master: others on the machine can only make it longer."""
    order, seconds, size = RenditionOrder(sets, CENTRE), 0.0, 0
    for master in masters:
        times = []
        for _ in range(_REPEATS):
            begun = time.process_time()
            made = render(master, order, DEFAULT_PRODUCER)
            times.append(time.process_time() - begun)
        seconds += min(times)
        size += sum(len(rendition.data) for rendition in made.renditions)
    return FileCost(name, seconds / len(masters), size / len(masters))


async def _turn(
    plan: RenditionPlan, settings: Settings, painted: Sequence[Picture], pace: float, report: Callable[[str], None]
) -> PaceTurn:
    count = max(4, round(pace * plan.seconds))
    shape = PictureShape(painted[0].width, painted[0].height, 1, 0.0)
    requests = [request_record(settings, shape, number) for number in range(count)]
    engine = PacedEngine(painted, pace)
    given: list[float] = []

    async def paint() -> None:
        await engine.paint(painted[0].recipe, Lane.LIVE, lambda _done, _of: None)
        given.append(time.perf_counter())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(paint())
    by_engine = (count - 1) / (given[-1] - given[0])
    with PictureEncoder(settings.worker.encode_threads, settings.renditions.threads) as encoder:
        async with MemoryWorker(settings, engine, encoder).working() as worker:
            cpu = time.process_time()
            seconds = await worker.answer(requests)
            used = time.process_time() - cpu
    by_worker = (count - 1) / seconds if seconds else 0.0
    turn = PaceTurn(pace, count, by_engine, by_worker, used / count)
    report(f"{pace:g} pictures/s: the worker {turn.by_worker:.2f}, {turn.ratio:.3f} of its engine")
    return turn


class PacedEngine:
    """An `Engine` that gives `pictures` in turn, `per_second` of them, and uses no processor meanwhile."""

    paintable = Paintable(ModelIdentity("paced", "0" * 64))
    ready = True
    restarts = 0
    devices = 1
    device_ready: Mapping[str, bool] = MappingProxyType({})

    def __init__(self, pictures: Sequence[Picture], per_second: float) -> None:
        self._pictures = pictures
        self._seconds = 1 / per_second
        self._free_at = 0.0
        self._given = 0

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Return a picture once the ones before it are given and its own time has passed."""
        del lane
        now = time.perf_counter()
        self._free_at = max(now, self._free_at) + self._seconds
        pixels = self._pictures[self._given % len(self._pictures)]
        self._given += 1
        await asyncio.sleep(self._free_at - now)
        on_step(1, 1)
        return Picture(recipe, pixels.width, pixels.height, pixels.rgb, self._seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Do nothing."""


def as_json(result: RenditionResult) -> dict[str, Any]:
    """Return all measurements as JSON types."""
    return {
        "machine": dict(result.machine),
        "size": list(result.size),
        "threads": result.threads,
        "png_bytes": result.master_bytes,
        "files": {each.name: {"seconds": each.seconds, "bytes": each.bytes_} for each in (*result.files, result.full)},
        "paces": [
            {
                "pace": turn.pace,
                "pictures": turn.pictures,
                "engine": turn.by_engine,
                "worker": turn.by_worker,
                "ratio": turn.ratio,
                "cpu_seconds": turn.cpu_seconds,
            }
            for turn in result.turns
        ],
    }
