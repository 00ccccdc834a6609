"""`leadart bench replay`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.bench_output import report
from consumer.cli.shared import AsJson, say, settings_from

if TYPE_CHECKING:
    from consumer.dev.bench.replay import ReplayResult


def replay(
    events: Annotated[int, typer.Option(min=300, help="Requests to paint once and then replay.")] = 3_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of replays.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure how fast a replay is answered if all pictures exist; needs leadart[embedded].

    Exit status 1 unless each request gets exactly one outcome and no picture is painted again.
    """
    from consumer.dev.demo.interrupt import run_interruptible

    settings_from(None)  # reports invalid settings before anything starts
    raise typer.Exit(run_interruptible(_measure(events, rounds, as_json=as_json)))


async def _measure(events: int, rounds: int, *, as_json: bool) -> int:
    from consumer.dev.bench.replay import measure_replay

    result = await measure_replay(events, rounds, report)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        say(_sentence(result))
    return 0 if result.promise_kept else 1


def _sentence(result: ReplayResult) -> str:
    from consumer.dev.bench.replay import REPLAY_BAR

    kept = "one outcome each, none painted" if result.promise_kept else "NOT one outcome each from the store"
    met = "met" if result.per_second >= REPLAY_BAR else "missed"
    speeds = ", ".join(f"{each.per_second:,.0f}" for each in result.rounds)
    costs = [each.worker_ms for each in result.rounds if each.worker_ms is not None]
    cost = f"; the worker used {sum(costs) / len(costs):.1f} ms of processor time for each" if costs else ""
    return (
        f"{result.per_second:,.0f} events/s answered from the store (rounds {speeds}; bar {REPLAY_BAR:.0f}: {met}), "
        f"{kept}{cost}; {result.machine['processor']}"
    )
