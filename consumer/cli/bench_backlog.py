"""`leadart bench backlog`."""

from typing import Annotated

import typer

from consumer.cli.bench_output import show_progress, show_report
from consumer.cli.shared import AsJson, settings_from

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
    from consumer.dev.bench.backlog import backlog_report, measure_backlog

    return show_report(backlog_report(await measure_backlog(sizes, seconds, show_progress)), as_json=as_json)
