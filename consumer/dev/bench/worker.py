"""`leadart bench worker`: the whole worker compared with its engine alone, same pictures, same engine process."""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.dev.bench.engine.plan import PictureShape, RandomModel, order
from consumer.dev.bench.machine import engine_machine
from consumer.dev.bench.worker_report import WorkerResult, WorkerSide, WorkerTurn
from consumer.dev.demo.stack import settings_of
from consumer.dev.embedded import guard
from consumer.engine import open_engine
from consumer.errors import Fatal
from consumer.jobs import Job, Lane, Recipe, Record
from consumer.kafka.topics import lane_topics
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.rendition_file import load_renditions
from consumer.ports import Engine
from consumer.processing.policy.reloading import PolicyInForce
from consumer.processing.prompting import make_plan
from consumer.processing.styles import load_styles
from consumer.settings import EngineSettings, Settings
from consumer.stages import OpenStages, starting
from consumer.telemetry.health import ServedAddress
from consumer.telemetry.metrics import make_metrics
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.reader import MemoryReader
from consumer.testing.store import MemoryStore
from consumer.worker import WorkerRun
from schemas import ImageProgress, ImageRequested, Reason, names
from schemas.cloudevents import Event, write
from schemas.reader import parse_request

_MODULES = {RandomModel.TINY: "consumer.engine.runtime.tiny", RandomModel.FULL: "consumer.dev.bench.engine.full"}
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How much to measure: in each of `rounds` both sides paint `pictures` of one shape, in turns.

    The model is the folder in `engine.model`, or a `random` one.
    """

    engine: EngineSettings
    random: RandomModel | None = None
    shape: PictureShape = PictureShape(512, 512, 12, 2.0)  # noqa: RUF009 - frozen
    pictures: int = 32
    rounds: int = 3
    partitions: int = 4


async def measure_worker(plan: WorkerPlan, report: Callable[[str], None]) -> WorkerResult:
    """Run the plan, reporting each turn. Cancelling ends the engine's process.

    Raises `Fatal` when the model cannot be loaded or a picture is not painted.
    """
    facts = engine_machine()
    async with _settings(plan) as settings, open_engine(settings.engine) as engine:
        requests = [request_record(settings, plan.shape, number) for number in range(plan.pictures)]
        recipes = _recipes(settings, engine, requests)
        report(f"{engine.paintable.model.name} is loaded; {len(recipes)} pictures of {plan.shape} warm it up")
        await _by_engine(engine, recipes)
        turns = await _turns(plan, settings, engine, requests, report)
        return WorkerResult(
            machine=facts,
            on_gpu=_on_gpu(plan.engine, facts["gpu"]),
            shape=str(plan.shape),
            pictures=plan.pictures,
            window=settings.engine.window,
            engine_threads=settings.engine.threads,
            encode_threads=settings.worker.encode_threads,
            turns=tuple(turns),
        )


async def _turns(
    plan: WorkerPlan, settings: Settings, engine: Engine, requests: Sequence[Record], report: Callable[[str], None]
) -> list[WorkerTurn]:
    turns, recipes = [], _recipes(settings, engine, requests)
    with PictureEncoder(settings.worker.encode_threads) as encoder:
        for turn in range(plan.rounds):
            for side in order(WorkerSide, turn):
                if side is WorkerSide.ENGINE:
                    seconds, cpu = await _by_engine(engine, recipes)
                else:
                    seconds, cpu = await _by_worker(settings, engine, encoder, requests)
                turns.append(WorkerTurn(side, turn, seconds, cpu))
                report(f"round {turn + 1}: {side} {len(recipes) / seconds:.2f} pictures/s")
    return turns


async def _by_engine(engine: Engine, recipes: Sequence[Recipe]) -> tuple[float, float]:
    """Give the engine all pictures at once; return seconds, and CPU seconds of this process."""
    begun, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for recipe in recipes:
            tasks.create_task(engine.paint(recipe, Lane.LIVE, lambda _done, _of: None))
    return time.perf_counter() - begun, time.process_time() - cpu


async def _by_worker(
    settings: Settings, engine: Engine, encoder: PictureEncoder, requests: Sequence[Record]
) -> tuple[float, float]:
    """Publish all requests at once; return seconds to the last outcome, and CPU seconds of this process."""
    worker = MemoryWorker(settings, engine, encoder)
    async with worker.working():
        begun, cpu = time.perf_counter(), time.process_time()
        await worker.answer(requests)
        return time.perf_counter() - begun, time.process_time() - cpu


def _recipes(settings: Settings, engine: Engine, requests: Sequence[Record]) -> list[Recipe]:
    """Return the recipes that the worker will make from the requests."""
    styles = load_styles(settings.styles.file)
    read = (parse_request(record.key, record.headers, record.value)[0].data for record in requests)
    asked = (ImageRequested.model_validate(data) for data in read)
    return [recipe for request in asked for recipe in make_plan(request, styles, engine.paintable).recipes]


def request_record(settings: Settings, shape: PictureShape, number: int) -> Record:
    """Return a record that requests one picture of the shape for a new article."""
    article = f"bench-{number}"
    data = {
        "article": {"id": article, "revision": 1, "headline": f"Storm over the harbour, day {number}"},
        "output": {"width": shape.width, "height": shape.height},
        "generation": {"steps": shape.steps, "guidance_scale": shape.guidance},
    }
    event = Event(id=uuid.uuid4().hex, source="/cms/bench", type=names.IMAGE_REQUESTED, data=data)
    headers, value = write(event)
    return Record(settings.topics.named(names.REQUESTED), 0, 0, article.encode(), value, tuple(headers), 0)


@asynccontextmanager
async def _settings(plan: WorkerPlan) -> AsyncIterator[Settings]:
    """Yield settings with the model's folder, a temporary one for random weights."""
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        folder = plan.engine.model
        if plan.random:
            folder = Path(scratch) / plan.random.value
            await build_model(folder, _MODULES[plan.random])
        if folder is None:
            raise Fatal(Reason.MISCONFIGURED, "Which model? --model FOLDER, or --random tiny or full.")
        engine = plan.engine.model_copy(update={"model": folder})
        yield settings_of({"engine": engine, "topics": {"partitions": plan.partitions}, "worker": {"progress": False}})


def _on_gpu(engine: EngineSettings, gpu: str) -> bool:
    return engine.devices.startswith("cuda") or (engine.devices == "auto" and gpu != "none")


async def build_model(folder: Path, module: str) -> None:
    """Run `module` to write a pipeline into `folder`, in a process of its own that is killed on cancellation.

    Raises `Fatal` with the end of its output when it fails.
    """
    builder = (sys.executable, "-P", "-m", module, str(folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", guard.__file__, *builder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output = await process.stdout.read() if process.stdout else b""
    finally:
        if process.stdin:
            process.stdin.close()  # the guard then kills the builder, if it still runs
        status = await process.wait()
    if status:
        ending = output.decode(errors="replace").strip()[-2000:]
        raise Fatal(Reason.MODEL_UNAVAILABLE, f"The model could not be built: pip install 'leadart[engine]'.\n{ending}")


class MemoryWorker:
    """A worker that has joined its group and waits for requests, with the engine and encoder given to it."""

    def __init__(self, settings: Settings, engine: Engine, encoder: PictureEncoder) -> None:
        self._outcomes = settings.topics.named(names.OUTCOME)
        self._partitions = settings.topics.partitions
        self._broker = MemoryBroker(self._partitions)
        lanes = lane_topics(settings)
        self._broker.offsets = {
            (lane, shard): CommittedOffset(0, "") for lane in lanes for shard in range(self._partitions)
        }
        self._broker.transaction_ended = lambda _shard: self._news.set()
        self._news = asyncio.Event()
        self._health = starting()
        self._store = MemoryStore()
        self._reader = MemoryReader(self._broker)
        stages = OpenStages(
            metrics=make_metrics(),
            health=self._health,
            served=ServedAddress("nowhere", 0),
            styles=(styles := load_styles(settings.styles.file)),
            policy=PolicyInForce(settings.policy.file, styles),
            sets=load_renditions(settings.renditions.file),
            store=self._store,
            engine=engine,
            encoder=encoder,
            reader=self._reader,
            bus=MemoryBus(self._broker, lanes, self._reader),
            partitions=self._partitions,
            progress=_NoProgress(),
        )
        self._run = WorkerRun(settings, stages)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Self]:
        """Let it work, its shards open, until the end of the block; it then ends in order."""
        stopping = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run.work(stopping, lambda _served: None))
                while not self._health.readiness().passed:  # noqa: ASYNC110 - no event says so
                    await asyncio.sleep(_LOOK_SECONDS)
                try:
                    yield self
                finally:
                    stopping.set()
        finally:
            await self._reader.close()

    async def answer(self, requests: Sequence[Record]) -> float:
        """Publish requests for one picture each and wait until a subscriber sees every outcome.

        Returns the seconds from the first outcome to the last. Raises `Fatal` when one of them is no picture.
        """
        for number, request in enumerate(requests):
            shard = number % self._partitions
            self._broker.publish(OutgoingRecord(request.topic, shard, request.key, request.value, request.headers))
        first = 0.0
        while (announced := self._announced()) < len(requests):
            if announced and not first:
                first = time.perf_counter()
            self._news.clear()
            await self._news.wait()
        seconds = time.perf_counter() - first if first else 0.0
        if len(self._store.manifests) < len(requests):
            raise Fatal(Reason.NOT_PAINTED, f"{len(requests)} requests gave {len(self._store.manifests)} pictures.")
        return seconds

    def _announced(self) -> int:
        return sum(len(self._broker.visible(self._outcomes, shard)) for shard in range(self._partitions))


class _NoProgress:
    """A progress feed that is switched off."""

    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        """Drop the event."""
