"""`leadart bench backlog`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.bench_output import report
from consumer.cli.shared import AsJson, say, settings_from

if TYPE_CHECKING:
    from consumer.dev.bench.backlog import BacklogResult

_TENFOLD = 10
_SHORTEST = 1_000


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
    from consumer.dev.demo.interrupt import run_interruptible

    settings_from(None)  # reports invalid settings before anything starts
    raise typer.Exit(run_interruptible(_measure(_sizes(records), seconds, as_json=as_json)))


def _sizes(records: int) -> list[int]:
    sizes = [_SHORTEST]
    while sizes[-1] * _TENFOLD < records:
        sizes.append(sizes[-1] * _TENFOLD)
    return [*sizes, records]


async def _measure(sizes: list[int], seconds: float, *, as_json: bool) -> int:
    from consumer.dev.bench.backlog import measure_backlog

    result = await measure_backlog(sizes, seconds, report)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        say(_sentence(result))
    return 0 if result.flat and result.soon else 1


def _sentence(result: BacklogResult) -> str:
    from statistics import median

    from consumer.dev.bench.backlog import LAG_BAR, PARTITIONS, SPREAD_BAR

    flat, soon = ("met" if met else "missed" for met in (result.flat, result.soon))
    first, last = result.steps[0], result.steps[-1]
    return (
        f"From {first.records:,} to {last.records:,} records of backlog the worker's memory differs by at most "
        f"{result.spread:.1%} (bar {SPREAD_BAR:.0%}: {flat}); leadart lag over {PARTITIONS} partitions of every lane "
        f"answers in {result.lag_median:.2f} s (bar {LAG_BAR:.0f} s: {soon}), "
        f"{median(result.start_seconds):.2f} s of which any leadart command takes; {result.machine['processor']}"
    )
