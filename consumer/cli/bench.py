"""`leadart bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.bench_backlog import backlog
from consumer.cli.bench_output import show_progress, show_report
from consumer.cli.bench_painting import engine, worker
from consumer.cli.bench_replay import replay
from consumer.cli.shared import AsJson, settings_from

if TYPE_CHECKING:
    from consumer.dev.bench.delivery_result import DeliveryPlan

DOCUMENT = Path("docs/benchmarks/delivery.md")

Bus = Annotated[str | None, typer.Option(help="Existing Kafka without TLS or SASL; default: start one.")]
Progress = Annotated[bool, typer.Option("--progress", help="Have the worker publish progress events.")]
Logs = Annotated[bool, typer.Option("--logs/--no-logs", help="Log every request, on both sides.")]
Write = Annotated[bool, typer.Option("--write", help=f"Write {DOCUMENT}.")]

commands = typer.Typer(no_args_is_help=True, help="Benchmarks on this machine, each in one run with its baseline.")
commands.command("engine")(engine)
commands.command("worker")(worker)
commands.command("replay")(replay)
commands.command("backlog")(backlog)


@commands.command("delivery")
def delivery(
    events: Annotated[int, typer.Option(min=300, help="Backlog for each side, in requests.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per side.")] = 3,
    paced_events: Annotated[int, typer.Option(min=2, help="Requests per side and round at 10 a second.")] = 100,
    bootstrap_servers: Bus = None,
    progress: Progress = False,
    logs: Logs = True,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Compare delivery, without painting and storing, with a FastStream handler; needs leadart[bench].

    Exit status 1 unless the worker announces exactly one outcome per request.
    """
    from consumer.dev.bench.delivery_result import DeliveryPlan
    from consumer.dev.demo.interrupt import run_interruptible

    settings_from(None)  # reports invalid settings before anything starts
    plan = DeliveryPlan(events=events, rounds=rounds, paced_events=paced_events, progress=progress, logs=logs)
    raise typer.Exit(run_interruptible(_measure(plan, bootstrap_servers, DOCUMENT if write else None, as_json=as_json)))


async def _measure(plan: DeliveryPlan, bootstrap_servers: str | None, target: Path | None, *, as_json: bool) -> int:
    from consumer.dev.bench.delivery import measure_delivery
    from consumer.dev.bench.delivery_report import delivery_report

    result = await measure_delivery(plan, bootstrap_servers, show_progress)
    return show_report(delivery_report(result), target, as_json=as_json)
