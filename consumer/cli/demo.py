"""`leadart demo` and `leadart dev`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.shared import console, settings_from
from consumer.settings import EngineKind

DemoEngine = Annotated[EngineKind, typer.Option(help="What paints; swatch needs no torch.")]
DemoModel = Annotated[Path | None, typer.Option(help="Folder of a Z-Image pipeline; else the small one that ships.")]
DemoBus = Annotated[str | None, typer.Option(help="A Kafka that is there already; else one is started.")]
WithWorker = Annotated[bool, typer.Option("--worker/--no-worker", help="Run the worker, or leave it to you.")]
Keep = Annotated[
    Path | None,
    typer.Option(help="Folder for the data of Kafka and the store, found again at the next start; else temporary."),
]
DemoStore = Annotated[
    str | None,
    typer.Option(help="An S3 store that is there already, with keys in LEADART_STORAGE__*; else one is started."),
]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page, its pictures and events.jsonl.")] = Path("out/demo"),
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
) -> None:
    """Show and check the whole way: articles saved, pictures painted, announced, fetched, and laid out as a page."""
    from consumer.dev.demo.interrupt import run_interruptible
    from consumer.dev.demo.run import run_demo
    from consumer.dev.demo.stack import StackPlan

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = StackPlan(out, engine, model, bootstrap_servers, endpoint_url)
    raise typer.Exit(run_interruptible(run_demo(plan, console)))


def dev(
    out: Annotated[Path, typer.Option(help="Folder for the worker's log and a sample article.")] = Path("out/dev"),
    env_file: Annotated[
        Path | None, typer.Option(help="Where to write the settings once all is ready, else OUT/leadart.env.")
    ] = None,
    with_worker: WithWorker = True,
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
    keep: Keep = None,
) -> None:
    """Keep Kafka, a store and the worker up until Ctrl-C, for a CMS to connect to; tell of every outcome."""
    from consumer.dev.demo.dev import run_dev
    from consumer.dev.demo.interrupt import run_interruptible
    from consumer.dev.demo.stack import StackPlan

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = StackPlan(out, engine, model, bootstrap_servers, endpoint_url, keep=keep)
    raise typer.Exit(run_interruptible(run_dev(plan, env_file, console, with_worker=with_worker), endless=True))
