"""`leadart simulate day`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, EnvFile, complaints, say, settings_from
from consumer.cli.simulate_options import Batch, Seconds, Seed, Speedup, fleet_of, pace_of, print_table

if TYPE_CHECKING:
    from consumer.dev.simulate.day.newsroom import Newsroom
    from consumer.dev.simulate.day.result import DayResult

PolicyFile = Annotated[
    Path | None,
    typer.Argument(help="A policy.toml, or `newsroom` for the one that ships; default: LEADART_POLICY__FILE, or that."),
]
NewsroomFile = Annotated[Path | None, typer.Option("--newsroom", help="A newsroom.toml; default: the one that ships.")]
Stories = Annotated[int | None, typer.Option(min=1, max=100_000, help="Stories begun in the day; default: the file's.")]
Gpus = Annotated[int, typer.Option(min=1, max=64, help="GPUs of the worker.")]


def day(
    seconds_per_picture: Seconds,
    policy: PolicyFile = None,
    newsroom: NewsroomFile = None,
    stories: Stories = None,
    gpus: Gpus = 1,
    batch_size: Batch = None,
    batch_speedup: Speedup = 1.0,
    seed: Seed = 1,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a newsroom's day: what a policy's rules save, and its settle time, and who waits how long for it."""
    from consumer.dev.simulate.day.result import DayScenario, run_day
    from consumer.processing.policy import load_policy
    from consumer.processing.styles import load_styles
    from schemas.defaults import STEPS

    settings = settings_from(env_file)
    styles = load_styles(settings.styles.file)
    rules = load_policy(policy or settings.policy.file or Path("newsroom"), styles)
    pace = pace_of(seconds_per_picture, STEPS, batch_size or settings.engine.batch_size, batch_speedup)
    fleet = fleet_of(settings, pace, gpus, gpus)
    scenario = DayScenario(_newsroom(newsroom, stories), rules, styles, fleet, seed)
    with complaints.status("simulating") as status:
        result = run_day(scenario, lambda name: status.update(f"simulating: {name}"))
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        _print(result)


def _newsroom(file: Path | None, stories: int | None) -> Newsroom:
    from consumer.dev.simulate.day.newsroom import load_newsroom

    newsroom = load_newsroom(file)
    return newsroom if stories is None else newsroom.model_copy(update={"stories": stories})


def _print(result: DayResult) -> None:
    from consumer.dev.simulate.day.result import HEAD

    scenario, pace = result.scenario, result.scenario.fleet.pace
    say(
        f"{scenario.newsroom.stories} stories, policy {scenario.policy.version}; {scenario.fleet.gpus} GPU(s), "
        f"{pace.seconds:g} s per picture of {pace.steps} steps alone, up to {pace.batch} per step, full steps are "
        f"{pace.speedup:g} times as fast."
    )
    print_table(HEAD, result.rows())
