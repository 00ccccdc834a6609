"""`leadart demo` and `leadart dev`."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.shared import console, settings_from
from consumer.settings import EngineKind

DemoEngine = Annotated[EngineKind, typer.Option(help="Engine; swatch needs no torch.")]
DemoModel = Annotated[Path | None, typer.Option(help="Folder of a Z-Image pipeline; default: the small demo model.")]
DemoBus = Annotated[str | None, typer.Option(help="Existing Kafka; default: start one.")]
WithWorker = Annotated[bool, typer.Option("--worker/--no-worker", help="Run the worker, or leave that to you.")]
Keep = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps the data of Kafka and the store for the next start; default: temporary."),
]
WithEdition = Annotated[
    bool, typer.Option("--edition", help="Publish the demo's sample articles at the start, for the desk to show.")
]
DemoStore = Annotated[
    str | None,
    typer.Option(help="Existing S3 store, its keys in LEADART_STORAGE__*; default: start one."),
]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page, its pictures and events.jsonl.")] = Path("out/demo"),
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
) -> None:
    """Run the whole pipeline on sample articles, check the outcomes, and write a page with the pictures.

    Exit status 1 if an article did not get the expected outcome.
    """
    from consumer.dev.demo.interrupt import run_interruptible
    from consumer.dev.demo.run import run_demo
    from consumer.dev.demo.stack import StackPlan

    settings_from(None)  # reports invalid settings before anything starts
    plan = StackPlan(out, engine, model, bootstrap_servers, endpoint_url)
    raise typer.Exit(run_interruptible(run_demo(plan, console)))


def dev(
    out: Annotated[Path, typer.Option(help="Folder for the worker's log and a sample article.")] = Path("out/dev"),
    env_file: Annotated[
        Path | None,
        typer.Option(help="File for the settings, written when all is ready; default: OUT/leadart.env."),
    ] = None,
    with_worker: WithWorker = True,
    engine: DemoEngine = EngineKind.ZIMAGE,
    model: DemoModel = None,
    bootstrap_servers: DemoBus = None,
    endpoint_url: DemoStore = None,
    keep: Keep = None,
    with_edition: WithEdition = False,
) -> None:
    """Run Kafka, a store, the worker and the gateway until Ctrl-C, for a CMS to connect to; print every outcome."""
    from consumer.dev.demo.dev import run_dev
    from consumer.dev.demo.interrupt import run_interruptible
    from consumer.dev.demo.stack import StackPlan

    settings_from(None)  # reports invalid settings before anything starts
    plan = StackPlan(out, engine, model, bootstrap_servers, endpoint_url, keep=keep)
    raise typer.Exit(
        run_interruptible(
            run_dev(plan, env_file, console, with_worker=with_worker, with_edition=with_edition), endless=True
        )
    )
