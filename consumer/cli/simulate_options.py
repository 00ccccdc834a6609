"""What the commands of `leadart simulate` share: options about GPUs, and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.dev.simulate.scenario import Fleet
    from consumer.settings import Settings
    from consumer.testing.device import DevicePace

_SECONDS = typer.Option(min=0.001, max=3600, help="Seconds per picture, painted alone on a GPU (leadart bench engine).")
Seconds = Annotated[float, _SECONDS]
SecondsOrSubcommand = Annotated[float | None, _SECONDS]
"""Required unless a subcommand has its own. Not `Seconds | None`: a union hides the option's bounds and help."""
Batch = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, max=64, help="Maximum pictures in a step; default: the engine's setting."),
]
Speedup = Annotated[
    float,
    typer.Option(
        "--batch-speedup", min=1, max=64, help="Throughput with full steps, as a multiple of one picture at a time."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed: the same seed gives the same answer.")]


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table as wide as it has to be, for copying too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def pace_of(seconds: float, steps: int, batch: int, speedup: float) -> DevicePace:
    """Return the speed that the options give. Raises `typer.BadParameter` for one that cannot be."""
    from consumer.testing.device import DevicePace

    if speedup > 1 and speedup > 0.95 * batch:
        message = f"{batch} pictures in a step cannot be {speedup:g} times as fast: at most {0.95 * batch:.2f}."
        raise typer.BadParameter(message, param_hint="--batch-speedup")
    return DevicePace(seconds, steps, batch, speedup)


def fleet_of(settings: Settings, pace: DevicePace, gpus: int, gpus_per_worker: int) -> Fleet:
    """Return GPUs whose workers have these settings."""
    from consumer.dev.simulate.scenario import Fleet

    window, worker = settings.engine.window, settings.worker
    return Fleet(gpus, pace, gpus_per_worker, window, worker.pictures_unstored, worker.jobs_in_hand)
