"""`leadart bench engine` and `leadart bench worker`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from consumer.cli.bench_output import show_progress, show_report
from consumer.cli.shared import AsJson, complain, settings_from
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.dev.bench.engine.plan import EnginePlan
    from consumer.dev.bench.engine.result import EngineResult
    from consumer.dev.bench.worker import WorkerPlan
    from consumer.settings import EngineSettings

_Value = TypeVar("_Value")

ENGINE_DOCUMENT = Path("docs/benchmarks/engine.md")
WORKER_DOCUMENT = Path("docs/benchmarks/worker.md")

Model = Annotated[Path | None, typer.Option(help="Folder of the pipeline; default: LEADART_ENGINE__MODEL.")]
Random = Annotated[
    Literal["tiny", "full"] | None,
    typer.Option(help="Random weights: a tiny model, or the full 6.15 billion parameters."),
]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds per side.")]
Threads = Annotated[int | None, typer.Option(min=0, help="CPU threads of the engine; 0: torch decides.")]
Device = Annotated[str | None, typer.Option(help="Device, as in LEADART_ENGINE__DEVICES.")]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the denoiser; compared with the uncompiled one.")]


def engine(
    model: Model = None,
    random: Random = None,
    shapes: Annotated[str, typer.Option(help="Such as 512x512x12x2.0,…; default: shapes that suit the model.")] = "",
    batches: Annotated[str, typer.Option(help="Batch sizes for each shape.")] = "1,4,8",
    mixed: Annotated[int, typer.Option(min=0, help="Number of mixed requests.")] = 64,
    rounds: Rounds = 3,
    threads: Threads = None,
    device: Device = None,
    compile_: Compile = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write {ENGINE_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the denoiser with the stock pipeline, on the same weights; needs leadart[engine]."""
    from consumer.dev.bench.engine.plan import EnginePlan, PictureShape, RandomModel

    settings = _engine_settings(model, threads, device, compiled=compile_)
    kinds = tuple(_parsed(text, PictureShape.parse) for text in shapes.split(",") if text)
    counts = tuple(count for text in batches.split(",") if (count := _parsed(text, int)) > 0)
    result = _measure_engine(
        EnginePlan(settings, RandomModel(random) if random else None, kinds, counts, rounds, mixed)
    )
    from consumer.dev.bench.engine.report import engine_report

    show_report(engine_report(result), ENGINE_DOCUMENT if write else None, as_json=as_json)


def worker(
    model: Model = None,
    random: Random = None,
    shape: Annotated[str, typer.Option(help="Width, height, steps and guidance.")] = "512x512x12x2.0",
    pictures: Annotated[int, typer.Option(min=1, help="Pictures per round.")] = 32,
    rounds: Rounds = 3,
    threads: Threads = None,
    device: Device = None,
    write: Annotated[bool, typer.Option("--write", help=f"Write {WORKER_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the whole worker, Kafka and store in memory, with its engine alone; needs leadart[engine]."""
    from consumer.dev.bench.engine.plan import PictureShape, RandomModel
    from consumer.dev.bench.worker import WorkerPlan
    from consumer.dev.demo.interrupt import run_interruptible

    settings = _engine_settings(model, threads, device, compiled=False)
    kind = _parsed(shape, PictureShape.parse)
    plan = WorkerPlan(settings, RandomModel(random) if random else None, kind, pictures, rounds)
    raise typer.Exit(run_interruptible(_measure_worker(plan, WORKER_DOCUMENT if write else None, as_json=as_json)))


async def _measure_worker(plan: WorkerPlan, target: Path | None, *, as_json: bool) -> int:
    from consumer.dev.bench.worker import measure_worker
    from consumer.dev.bench.worker_report import worker_report

    return show_report(worker_report(await measure_worker(plan, show_progress)), target, as_json=as_json)


def _measure_engine(plan: EnginePlan) -> EngineResult:
    from consumer.dev.bench.machine import engine_machine

    try:
        from consumer.dev.bench.engine.measure import measure_engine  # seconds of imports
    except ImportError as error:
        message = f"The engine's libraries are not installed ({error}): pip install 'leadart[engine]'."
        raise Fatal(Reason.MISCONFIGURED, message) from error
    return measure_engine(plan, engine_machine(), show_progress)


def _parsed(text: str, parse: Callable[[str], _Value]) -> _Value:
    try:
        return parse(text)
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from error


def _engine_settings(model: Path | None, threads: int | None, device: str | None, *, compiled: bool) -> EngineSettings:
    """Return the engine's settings, overridden by the options."""
    settings = settings_from(None).engine
    given = {"model": model, "threads": threads, "devices": device, "compile": compiled or None}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})
