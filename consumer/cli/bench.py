"""`leadart bench`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, complaints, console, settings_from

if TYPE_CHECKING:
    from consumer.bench.result import Result

DOCUMENT = Path("docs/benchmarks/delivery.md")

commands = typer.Typer(no_args_is_help=True, help="Benchmarks: leadart beside others, in one run on this machine.")


@commands.callback()
def bench() -> None:
    """Keep the benchmark's name in the command, with one as with many."""


@commands.command("delivery")
def delivery(  # noqa: PLR0913, PLR0917 - options
    events: Annotated[int, typer.Option(min=300, help="Requests that wait for each side.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    paced_events: Annotated[int, typer.Option(min=2, help="Requests a side and round at 10 a second.")] = 100,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="A Kafka that is there already, without TLS or SASL; else one is started.")
    ] = None,
    progress: Annotated[bool, typer.Option(help="Let the worker publish progress events.")] = False,  # noqa: FBT002 - a flag
    logs: Annotated[bool, typer.Option("--logs/--no-logs", help="Log each request, on both sides.")] = True,  # noqa: FBT002 - a flag
    write: Annotated[bool, typer.Option("--write", help=f"Write {DOCUMENT}.")] = False,  # noqa: FBT002 - a flag
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Measure delivery, painting and storing left out, beside a FastStream handler; needs leadart[bench].

    Exit status 1 if the worker did not give exactly one outcome for each request.
    """
    from consumer.bench.delivery import measure_delivery  # noqa: PLC0415
    from consumer.bench.plan import Plan  # noqa: PLC0415
    from consumer.bench.report import document, table, verdict  # noqa: PLC0415
    from consumer.demo.interrupt import run_interruptible  # noqa: PLC0415

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = Plan(events=events, rounds=rounds, paced_events=paced_events, progress=progress, logs=logs)

    def tell(said: str) -> None:
        complaints.print(said, markup=False, highlight=False, soft_wrap=True)

    def show(result: Result) -> None:
        if as_json:
            print(json.dumps(result.as_json()))  # noqa: T201 - for pipes
        else:
            console.print(table(result))
            console.print(verdict(result), markup=False, soft_wrap=True)
        if write:
            DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
            DOCUMENT.write_text(document(result, shlex.join(["leadart", *sys.argv[1:]])), encoding="utf-8")

    async def run() -> int:
        result = await measure_delivery(plan, bootstrap_servers, tell)
        show(result)
        return 0 if result.promise_kept else 1

    raise typer.Exit(run_interruptible(run()))
