"""`leadart bench`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.bench_backlog import backlog
from consumer.cli.bench_painting import engine, worker
from consumer.cli.bench_replay import replay
from consumer.cli.shared import AsJson, complaints, console, settings_from

if TYPE_CHECKING:
    from consumer.dev.bench.plan import DeliveryPlan

DOCUMENT = Path("docs/benchmarks/delivery.md")

Bus = Annotated[
    str | None, typer.Option(help="A Kafka that is there already, without TLS or SASL; else one is started.")
]
Progress = Annotated[bool, typer.Option("--progress", help="Let the worker publish progress events.")]
Logs = Annotated[bool, typer.Option("--logs/--no-logs", help="Log each request, on both sides.")]
Write = Annotated[bool, typer.Option("--write", help=f"Write {DOCUMENT}.")]

commands = typer.Typer(no_args_is_help=True, help="Benchmarks: leadart beside others, in one run on this machine.")
commands.command("engine")(engine)
commands.command("worker")(worker)
commands.command("replay")(replay)
commands.command("backlog")(backlog)


@commands.command("delivery")
def delivery(
    events: Annotated[int, typer.Option(min=300, help="Requests that wait for each side.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    paced_events: Annotated[int, typer.Option(min=2, help="Requests a side and round at 10 a second.")] = 100,
    bootstrap_servers: Bus = None,
    progress: Progress = False,
    logs: Logs = True,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure delivery, painting and storing left out, beside a FastStream handler; needs leadart[bench].

    Exit status 1 if the worker did not give exactly one outcome for each request.
    """
    from consumer.dev.bench.plan import DeliveryPlan
    from consumer.dev.demo.interrupt import run_interruptible

    settings_from(None)  # what is wrong in the environment is told before anything starts
    plan = DeliveryPlan(events=events, rounds=rounds, paced_events=paced_events, progress=progress, logs=logs)
    raise typer.Exit(run_interruptible(_measure(plan, bootstrap_servers, DOCUMENT if write else None, as_json=as_json)))


async def _measure(plan: DeliveryPlan, bootstrap_servers: str | None, target: Path | None, *, as_json: bool) -> int:
    from consumer.dev.bench.delivery import measure_delivery
    from consumer.dev.bench.report import document, table, verdict

    def tell(said: str) -> None:
        complaints.print(said, soft_wrap=True)

    result = await measure_delivery(plan, bootstrap_servers, tell)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        console.print(table(result))
        console.print(verdict(result), soft_wrap=True)
    if target:
        _write(target, document(result, shlex.join(["leadart", *sys.argv[1:]])))
    return 0 if result.promise_kept else 1


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
