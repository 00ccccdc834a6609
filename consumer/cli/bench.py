"""`leadart bench`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer
from rich import box
from rich.table import Table

from consumer.cli.shared import AsJson, complain, complaints, console, say, settings_from
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from consumer.dev.bench.engine.budget import Budget as TimeLeft
    from consumer.dev.bench.engine.plan import EnginePlan
    from consumer.dev.bench.engine.result import EngineResult
    from consumer.dev.bench.reporting import BenchReport
    from consumer.settings import EngineSettings

_Value = TypeVar("_Value")

DELIVERY_DOCUMENT = Path("docs/benchmarks/delivery.md")
ENGINE_DOCUMENT = Path("docs/benchmarks/engine.md")
WORKER_DOCUMENT = Path("docs/benchmarks/worker.md")
RENDITIONS_DOCUMENT = Path("docs/benchmarks/renditions.md")
GATEWAY_DOCUMENT = Path("docs/benchmarks/gateway.md")

_TENFOLD = 10
_SHORTEST = 1_000

Model = Annotated[Path | None, typer.Option(help="Folder of the pipeline; default: LEADART_ENGINE__MODEL.")]
Random = Annotated[
    Literal["tiny", "full"] | None,
    typer.Option(help="Random weights: a tiny model, or the full 6.15 billion parameters."),
]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds per side.")]
Threads = Annotated[int | None, typer.Option(min=0, help="CPU threads of the engine; 0: torch decides.")]
Device = Annotated[str | None, typer.Option(help="Device, as in LEADART_ENGINE__DEVICES.")]
Compile = Annotated[
    bool | None, typer.Option("--compile/--no-compile", help="Compiled sides take part; default: on a GPU.")
]
Budget = Annotated[
    float | None, typer.Option(min=1, help="Seconds; what does not fit is left out, and the bars come first.")
]
Out = Annotated[
    Path, typer.Option(help="Results as they are measured: JSON in this file, the page beside it under .md.")
]
Bus = Annotated[str | None, typer.Option(help="Existing Kafka without TLS or SASL; default: start one.")]
Progress = Annotated[bool, typer.Option("--progress", help="Have the worker publish progress events.")]
Logs = Annotated[bool, typer.Option("--logs/--no-logs", help="Log every request, on both sides.")]

commands = typer.Typer(no_args_is_help=True, help="Benchmarks on this machine, each in one run with its baseline.")


@commands.command()
def engine(
    model: Model = None,
    random: Random = None,
    shapes: Annotated[str, typer.Option(help="Such as 512x512x12x2.0,…; default: shapes that suit the model.")] = "",
    batches: Annotated[str, typer.Option(help="Batch sizes for each shape.")] = "1,4,8",
    mixed: Annotated[int, typer.Option(min=0, help="Number of mixed requests.")] = 64,
    rounds: Rounds = 3,
    threads: Threads = None,
    device: Device = None,
    compile_: Compile = None,
    budget: Budget = None,
    out: Out = Path("out/bench-engine.json"),
    write: Annotated[bool, typer.Option("--write", help=f"Write {ENGINE_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the denoiser with the stock pipeline, on the same weights; needs leadart[engine].

    Exit status 1 if a part of it failed. `python -m consumer.dev.bench.engine` is the same where only torch, diffusers
    and pydantic are installed.
    """
    from consumer.dev.bench.engine.budget import Budget as TimeLeft
    from consumer.dev.bench.engine.plan import EnginePlan, PictureShape, RandomModel

    left = TimeLeft(budget)
    settings = _engine_settings(model, threads, device)
    kinds = tuple(_parsed(text, PictureShape.parse) for text in shapes.split(",") if text)
    counts = tuple(count for text in batches.split(",") if (count := _parsed(text, int)) > 0)
    compiled = settings.compile if compile_ is None else compile_
    plan = EnginePlan(settings, RandomModel(random) if random else None, kinds, counts, rounds, mixed, compiled)
    result = _measure_engine(plan, out, left)
    from consumer.dev.bench.engine.report import engine_report

    raise typer.Exit(_show(engine_report(result), ENGINE_DOCUMENT if write else None, as_json=as_json))


@commands.command()
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
    from consumer.dev.bench.worker import WorkerPlan, measure_worker
    from consumer.dev.bench.worker_report import worker_report

    settings = _engine_settings(model, threads, device)
    kind = _parsed(shape, PictureShape.parse)
    plan = WorkerPlan(settings, RandomModel(random) if random else None, kind, pictures, rounds)
    measuring = measure_worker(plan, _show_progress)
    _finish(measuring, worker_report, WORKER_DOCUMENT if write else None, as_json=as_json)


@commands.command()
def renditions(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures of one size, such as PNGs of `leadart generate`.")],
    paces: Annotated[str, typer.Option(help="Pictures per second of the engine, for the whole worker.")] = "1,2,4,8",
    seconds: Annotated[float, typer.Option(min=1, max=120, help="About how long each pace is held.")] = 10.0,
    file: Annotated[Path | None, typer.Option(help="Rendition file; default: LEADART_RENDITIONS__FILE.")] = None,
    write: Annotated[bool, typer.Option("--write", help=f"Write {RENDITIONS_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what each file of a picture costs, and from which pace on encoding holds the worker back."""
    from consumer.dev.bench.renditions import RenditionPlan, measure_renditions
    from consumer.dev.bench.renditions_report import renditions_report

    given = tuple(pace for text in paces.split(",") if text and (pace := _parsed(text, float)) > 0)
    plan = RenditionPlan(tuple(pictures), given, seconds, file or settings_from(None).renditions.file)
    measuring = measure_renditions(plan, _show_progress)
    _finish(measuring, renditions_report, RENDITIONS_DOCUMENT if write else None, as_json=as_json)


@commands.command()
def gateway(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the flood.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="How long each round takes.")] = 8.0,
    listeners: Annotated[int, typer.Option(min=1, max=5_000, help="Clients of the stream.")] = 500,
    write: Annotated[bool, typer.Option("--write", help=f"Write {GATEWAY_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the gateway beside its broker; needs leadart[embedded,gateway]. Exit status 1 if a bar is missed."""
    from consumer.dev.bench.gateway import GatewayPlan, measure_gateway
    from consumer.dev.bench.gateway_report import gateway_report

    settings_from(None)  # reports invalid settings before anything starts
    plan = GatewayPlan(rounds=rounds, flood_seconds=seconds, listeners=listeners)
    _finish(measure_gateway(plan, _show_progress), gateway_report, GATEWAY_DOCUMENT if write else None, as_json=as_json)


@commands.command()
def replay(
    events: Annotated[int, typer.Option(min=300, help="Requests to paint once and then replay.")] = 3_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of replays.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure how fast a replay is answered if all pictures exist; needs leadart[embedded].

    Exit status 1 unless each request gets exactly one outcome and no picture is painted again.
    """
    from consumer.dev.bench.replay import measure_replay, replay_report

    settings_from(None)  # reports invalid settings before anything starts
    _finish(measure_replay(events, rounds, _show_progress), replay_report, as_json=as_json)


@commands.command()
def backlog(
    records: Annotated[
        int, typer.Option(min=2 * _SHORTEST, help="Longest backlog, reached in tenfold steps.")
    ] = 1_000_000,
    seconds: Annotated[float, typer.Option(min=5, max=90, help="Seconds that a worker runs at each step.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Measure the cost of a long backlog: memory, and the time of `leadart lag`; needs leadart[embedded] and Linux.

    Exit status 1 if memory grows with the backlog, or `leadart lag` takes too long.
    """
    from consumer.dev.bench.backlog import backlog_report, measure_backlog

    settings_from(None)  # reports invalid settings before anything starts
    sizes = [_SHORTEST]
    while sizes[-1] * _TENFOLD < records:
        sizes.append(sizes[-1] * _TENFOLD)
    _finish(measure_backlog([*sizes, records], seconds, _show_progress), backlog_report, as_json=as_json)


@commands.command()
def delivery(
    events: Annotated[int, typer.Option(min=300, help="Backlog for each side, in requests.")] = 20_000,
    rounds: Rounds = 3,
    paced_events: Annotated[int, typer.Option(min=2, help="Requests per side and round at 10 a second.")] = 100,
    bootstrap_servers: Bus = None,
    progress: Progress = False,
    logs: Logs = True,
    write: Annotated[bool, typer.Option("--write", help=f"Write {DELIVERY_DOCUMENT}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare delivery, without painting and storing, with a FastStream handler; needs leadart[bench].

    Exit status 1 unless the worker announces exactly one outcome per request.
    """
    from consumer.dev.bench.delivery import measure_delivery
    from consumer.dev.bench.delivery_report import delivery_report
    from consumer.dev.bench.delivery_result import DeliveryPlan

    settings_from(None)  # reports invalid settings before anything starts
    plan = DeliveryPlan(events=events, rounds=rounds, paced_events=paced_events, progress=progress, logs=logs)
    measuring = measure_delivery(plan, bootstrap_servers, _show_progress)
    _finish(measuring, delivery_report, DELIVERY_DOCUMENT if write else None, as_json=as_json)


def _finish(
    measuring: Coroutine[Any, Any, _Value],
    report: Callable[[_Value], BenchReport],
    target: Path | None = None,
    *,
    as_json: bool,
) -> NoReturn:
    """Measure until done or interrupted, show the report of the result, and exit."""
    from consumer.dev.demo.interrupt import run_interruptible

    async def measure() -> int:
        return _show(report(await measuring), target, as_json=as_json)

    raise typer.Exit(run_interruptible(measure()))


def _show_progress(line: str) -> None:
    complaints.print(line, soft_wrap=True)


def _show(report: BenchReport, target: Path | None, *, as_json: bool) -> int:
    """Print the report and write its document to `target`; return the exit status."""
    if as_json:
        print(json.dumps(report.figures))
    else:
        if report.rows:
            console.print(_drawn(report))
        for line in (report.verdict, *report.notes):
            say(line)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(report.document(_command()), encoding="utf-8")
    return 0 if report.passed else 1


def _drawn(report: BenchReport) -> Table:
    """Return the comparison for a terminal."""
    head, rows = report.terminal or (report.head, report.rows)
    drawn = Table(*head, title=report.name, box=box.SIMPLE, padding=(0, 0 if report.terminal else 1))
    for row in rows:
        drawn.add_row(*row)
    return drawn


def _measure_engine(plan: EnginePlan, out: Path, budget: TimeLeft) -> EngineResult:
    """Measure, and keep what was measured so far in files."""
    from consumer.dev.bench.machine import engine_machine

    try:
        from consumer.dev.bench.engine.files import ResultFiles
        from consumer.dev.bench.engine.measure import measure_engine  # seconds of imports
    except ImportError as error:
        message = f"The engine's libraries are not installed ({error}): pip install 'leadart[engine]'."
        raise Fatal(Reason.MISCONFIGURED, message) from error
    files = ResultFiles(out, _command())
    return measure_engine(plan, engine_machine(), _show_progress, files.write, budget)


def _command() -> str:
    return shlex.join(["leadart", *sys.argv[1:]])


def _parsed(text: str, parse: Callable[[str], _Value]) -> _Value:
    try:
        return parse(text)
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from error


def _engine_settings(model: Path | None, threads: int | None, device: str | None) -> EngineSettings:
    """Return the engine's settings, overridden by the options."""
    settings = settings_from(None).engine
    given = {"model": model, "threads": threads, "devices": device}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})
