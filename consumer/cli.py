"""The command line: each command reads settings, runs one function, prints, and exits with its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from consumer import __version__
from consumer.errors import LeadartError
from consumer.kafka.bus import BusError
from consumer.kafka.topics import Start  # noqa: TC001 - typer reads the annotations
from consumer.settings import EngineKind, LogSettings, Settings, load_settings
from consumer.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from consumer.telemetry.health import Served

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="An article is saved; its picture is announced."
)
topics = typer.Typer(no_args_is_help=True, help="Topics and the group's starting offsets.")
store = typer.Typer(no_args_is_help=True, help="The object store.")
app.add_typer(topics, name="topics")
app.add_typer(store, name="store")

EnvFile = Annotated[
    Path | None,
    typer.Option(help="File with LEADART_* settings, as in the environment.", exists=True, dir_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

DemoEngine = Annotated[EngineKind, typer.Option(help="What paints; swatch needs no torch.")]
DemoModel = Annotated[Path | None, typer.Option(help="Folder of a Z-Image pipeline; else a tiny one is built.")]
DemoBus = Annotated[str | None, typer.Option(help="A Kafka that is there already; else one is started.")]
WithWorker = Annotated[bool, typer.Option("--worker/--no-worker", help="Run the worker, or leave it to you.")]
DemoStore = Annotated[
    str | None,
    typer.Option(help="An S3 store that is there already, with keys in LEADART_STORAGE__*; else one is started."),
]

console = Console()
complaints = Console(stderr=True)
log = structlog.get_logger(__name__)


def main() -> None:
    """Run the command line; errors a person can act on are one sentence on stderr and exit status 1."""
    try:
        app()
    except (LeadartError, BusError, BaseExceptionGroup) as error:
        told = _told(error)
        if told is None:
            raise
        complain(told)
        sys.exit(1)


def _told(error: BaseException) -> str | None:
    """Return the first sentence meant for people in an error or a group; None if there is a defect among them."""
    if isinstance(error, BaseExceptionGroup):
        told = [_told(inner) for inner in error.exceptions]
        return None if None in told else told[0]
    if isinstance(error, LeadartError):
        return f"{error.message} ({error.reason})"
    if isinstance(error, BusError):
        return f"Kafka does not answer: {error}. Set LEADART_KAFKA__BOOTSTRAP_SERVERS, or give --env-file."
    return None


def settings_from(env_file: Path | None, *, logging_to_stdout: bool = False) -> Settings:
    """Load settings. Raises `typer.Exit` after naming every setting that is wrong, and what was expected."""
    try:
        settings = load_settings(env_file)
    except ValidationError as error:
        for problem in error.errors():
            name = "LEADART_" + "__".join(str(part).upper() for part in problem["loc"])
            complain(f"{name}: {problem['msg']}")
        raise typer.Exit(2) from error
    # What a command prints is for its reader; its log is not, unless something is wrong.
    if logging_to_stdout:
        configure_logs(settings.log)
    else:
        configure_logs(LogSettings(level="warning"), sys.stderr)
    return settings


def complain(sentence: str) -> None:
    """Tell the person at the terminal what is wrong; never wrapped, so that it can be searched for."""
    complaints.print(f"leadart: {sentence}", style="red", markup=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:  # noqa: FBT002 - a flag
    """Say who we are."""
    if version:
        console.print(__version__)
        raise typer.Exit


@app.command()
def worker(env_file: EnvFile = None) -> None:
    """Consume article events, make pictures, announce them; until SIGTERM or Ctrl-C."""
    asyncio.run(_work(settings_from(env_file, logging_to_stdout=True)))


async def _work(settings: Settings) -> None:
    """Run the worker under signals: the first stops it in order, the second ends it at once."""
    from consumer.worker import run_worker  # noqa: PLC0415 - keeps the other commands quick to start

    stopping = asyncio.Event()
    started = False

    def on_ready(served: Served) -> None:
        nonlocal started
        started = True
        log.info("worker_ready", host=served.host, port=served.port, version=__version__)

    task = asyncio.create_task(run_worker(settings, stopping, on_ready))

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()
        if not started:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page, its pictures and events.jsonl.")] = Path("out/demo"),
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
) -> None:
    """Show and check the whole way: articles saved, pictures painted, announced, fetched, and laid out as a page."""
    from consumer.demo.interrupt import run_interruptible  # noqa: PLC0415
    from consumer.demo.run import run_demo  # noqa: PLC0415
    from consumer.demo.stack import Plan  # noqa: PLC0415

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = Plan(out, engine, model, bootstrap_servers, endpoint_url)
    raise typer.Exit(run_interruptible(run_demo(plan, console)))


@app.command()
def dev(  # noqa: PLR0913, PLR0917 - options
    out: Annotated[Path, typer.Option(help="Folder for the worker's log and a sample article.")] = Path("out/dev"),
    env_file: Annotated[
        Path | None, typer.Option(help="Where to write the settings once all is ready, else OUT/leadart.env.")
    ] = None,
    with_worker: WithWorker = True,  # noqa: FBT002 - a flag
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
) -> None:
    """Keep Kafka, a store and the worker up until Ctrl-C, for a CMS to connect to; tell of every outcome."""
    from consumer.demo.dev import run_dev  # noqa: PLC0415
    from consumer.demo.interrupt import run_interruptible  # noqa: PLC0415
    from consumer.demo.stack import Plan  # noqa: PLC0415

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = Plan(out, engine, model, bootstrap_servers, endpoint_url)
    raise typer.Exit(run_interruptible(run_dev(plan, env_file, console, with_worker=with_worker), endless=True))


@app.command()
def publish(
    file: Annotated[
        typer.FileText,
        typer.Argument(help="JSON file with the request's data; - for stdin.", encoding="utf-8"),
    ],
    env_file: EnvFile = None,
) -> None:
    """Publish a request as a CMS would, unchecked, and print its event id."""
    from consumer.demo.newsroom import publish_file  # noqa: PLC0415

    console.print(asyncio.run(publish_file(settings_from(env_file), file.read())), markup=False, highlight=False)


@topics.command("apply")
def topics_apply(
    env_file: EnvFile = None,
    start: Annotated[Start | None, typer.Option(help="Where the group begins in lanes it never committed.")] = None,
    force: Annotated[bool, typer.Option(help="Set the starting offsets even where there are some.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Create missing topics, compare existing ones, commit the group's starting offsets."""
    from consumer.kafka.topics import apply  # noqa: PLC0415

    applied = asyncio.run(apply(settings_from(env_file), start, force=force))
    for name in applied.created:
        console.print(f"created   {name}")
    for name, offset in applied.offsets.items():
        console.print(f"starts    {name} at {offset}")
    for line in applied.differing:
        console.print(f"differs   {line}", style="yellow", markup=False)
    if not applied.created and not applied.offsets:
        console.print("nothing to do")


@topics.command("forget-progress")
def topics_forget(partition: Annotated[str, typer.Argument(help="TOPIC:PARTITION")], env_file: EnvFile = None) -> None:
    """Drop what is recorded as finished above a partition's committed offset, with the workers stopped."""
    from consumer.kafka.topics import forget_progress  # noqa: PLC0415

    topic, _, number = partition.rpartition(":")
    if not topic or not number.isdecimal():
        raise typer.BadParameter("Write it as TOPIC:PARTITION, such as article-image-requested:3.")
    offset = asyncio.run(forget_progress(settings_from(env_file), topic, int(number)))
    console.print(f"{partition} starts again at {offset}; what was finished above is announced once more, same ids")


@app.command()
def lag(env_file: EnvFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show how far the group is behind, per partition; works with all workers down."""
    from consumer.kafka.lag import open_lag_reader, total  # noqa: PLC0415

    settings = settings_from(env_file)

    async def read() -> Any:
        async with open_lag_reader(settings) as reader:
            return await reader.read()

    lags = asyncio.run(read())
    if as_json:
        rows = [asdict(lag) | {"lag": lag.records, "incomplete": lag.incomplete} for lag in lags]
        print(json.dumps({"group": settings.kafka.group_id, "lag": total(lags), "partitions": rows}))  # noqa: T201 - for pipes
        return
    table = Table(
        "topic", "partition", "committed", "end", "lag", "not finished", title=f"group {settings.kafka.group_id}"
    )
    for row in lags:
        cells = (row.partition, row.committed, row.end, row.records, row.incomplete)
        table.add_row(row.topic, *("unknown" if cell is None else str(cell) for cell in cells))
    console.print(table)
    behind = total(lags)
    console.print(f"lag {'unknown' if behind is None else behind} over {len(lags)} partitions")


@app.command()
def styles(
    env_file: EnvFile = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Paint the prompt in every style onto one contact sheet (PNG).")
    ] = None,
    prompt: Annotated[str | None, typer.Argument(help="What to paint on the sheet.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """List the style presets, or paint a contact sheet of them."""
    from consumer.styles import load_styles  # noqa: PLC0415

    settings = settings_from(env_file)
    presets = load_styles(settings.styles.file)
    if sheet is None:
        table = Table("preset", "version", "steps", "guidance", "title")
        for style in presets.presets.values():
            table.add_row(
                style.name, str(style.version), _or_default(style.steps), _or_default(style.guidance_scale), style.title
            )
        console.print(table)
        return
    if not prompt:
        raise typer.BadParameter("say what to paint on the sheet", param_hint="PROMPT")
    from consumer.studio import paint_sheet  # noqa: PLC0415

    asyncio.run(paint_sheet(settings, presets, prompt, seed, sheet))
    console.print(f"wrote {sheet}")


@app.command()
def generate(  # noqa: PLR0913, PLR0917 - its options
    prompt: Annotated[str, typer.Argument(help="What to paint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")],
    env_file: EnvFile = None,
    style: Annotated[str | None, typer.Option(help="Style preset; see `leadart styles`.")] = None,
    width: Annotated[int | None, typer.Option()] = None,
    height: Annotated[int | None, typer.Option()] = None,
    steps: Annotated[int | None, typer.Option()] = None,
    guidance_scale: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Make one picture without a bus, with the very brief and engine that the worker uses."""
    from consumer.studio import Wish, paint_one  # noqa: PLC0415

    wish = Wish(prompt, style, width, height, steps, guidance_scale, seed)
    recipe = asyncio.run(paint_one(settings_from(env_file), wish, output))
    console.print(f"wrote {output} (style {recipe.style}, {recipe.width}x{recipe.height}, seed {recipe.seed})")


@app.command()
def doctor(env_file: EnvFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Examine styles, model, store, topics and group; exit status 1 if a promise could not be kept."""
    from consumer.doctor import examine  # noqa: PLC0415
    from consumer.findings import Verdict  # noqa: PLC0415

    findings = asyncio.run(examine(settings_from(env_file)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))  # noqa: T201 - for pipes
    else:
        colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "red"}
        for finding in findings:
            line = f"{finding.verdict:8} {finding.subject:12} {finding.message}"
            console.print(line, style=colours[finding.verdict], markup=False, soft_wrap=True)
    raise typer.Exit(any(finding.verdict is Verdict.FAILURE for finding in findings))


@store.command("prepare")
def store_prepare(
    env_file: EnvFile = None,
    public: Annotated[bool, typer.Option(help="Let anyone read the pictures (never the manifests).")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Create the bucket where it is missing and check that it is usable."""
    from consumer.storage import S3Store  # noqa: PLC0415

    settings = settings_from(env_file)

    async def prepare() -> None:
        async with S3Store(settings.storage) as opened:
            await opened.prepare(create=True, public=public)

    asyncio.run(prepare())
    console.print(f"bucket {settings.storage.bucket} is ready")


def _or_default(value: object | None) -> str:
    return "default" if value is None else str(value)
