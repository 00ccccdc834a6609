"""`leadart bench replay`."""

from typing import Annotated

import typer

from consumer.cli.bench_output import show_progress, show_report
from consumer.cli.shared import AsJson, settings_from


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
    from consumer.dev.bench.replay import measure_replay, replay_report

    return show_report(replay_report(await measure_replay(events, rounds, show_progress)), as_json=as_json)
