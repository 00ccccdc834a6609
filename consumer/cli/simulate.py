"""`leadart simulate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, EnvFile, complain, complaints, say, settings_from, time_span
from consumer.cli.simulate_day import day
from consumer.cli.simulate_options import Batch, SecondsOrSubcommand, Seed, Speedup, fleet_of, pace_of, print_table

if TYPE_CHECKING:
    from consumer.dev.simulate.result import SimulationResult
    from consumer.dev.simulate.scenario import Fleet, Scenario, TrafficLoad
    from consumer.dev.simulate.search import FleetSearch, ServiceGoals


Saves = Annotated[float, typer.Option("--saves-per-day", min=0, max=1e12, help="Saves per day that request pictures.")]
Share = Annotated[float, typer.Option("--interactive-share", min=0, max=1, help="Share of saves an editor waits for.")]
Backfill = Annotated[int, typer.Option(min=0, max=10**12, help="Articles of a replay, all queued at the start.")]
Gpus = Annotated[int | None, typer.Option(min=1, max=1_000_000, help="GPUs; default: find the fewest that suffice.")]
Pictures = Annotated[int, typer.Option("--pictures-per-save", min=1, max=9, help="Pictures per save or article.")]
Peak = Annotated[
    float, typer.Option(min=1, max=20, help="Saves in the busiest hour, as a multiple of the mean hour's.")
]
Busiest = Annotated[
    int, typer.Option("--busiest-hour", min=0, max=23, help="Hour of the day at which the busiest hour begins.")
]
Hours = Annotated[
    float, typer.Option(min=0.01, max=8760, help="Hours to simulate; extended to the deadline if that is later.")
]
Steps = Annotated[int, typer.Option(min=1, max=200, help="Denoising steps per picture.")]
PerWorker = Annotated[int, typer.Option("--gpus-per-worker", min=1, max=64, help="Maximum GPUs per worker.")]
Start = Annotated[
    str | None, typer.Option("--from", help="Start, such as 'Friday 18:00'; default: now with --by, else midnight.")
]
By = Annotated[str | None, typer.Option(help="Deadline of the backfill: 'Monday 08:00', or ISO 8601.")]
Within = Annotated[str | None, typer.Option("--drain-within", help="Deadline as a time span, such as 60h.")]
Wait = Annotated[
    str | None, typer.Option("--wait-p99", help="Goal for the 99th percentile of interactive waits, such as 2s.")
]
Most = Annotated[
    int,
    typer.Option("--most-pictures", min=1000, help="Approximate maximum of pictures to simulate; bounds the run time."),
]


commands = typer.Typer(invoke_without_command=True)
commands.command("day")(day)


@commands.callback()
def simulate(
    context: typer.Context,
    seconds_per_picture: SecondsOrSubcommand = None,
    saves_per_day: Saves = 0.0,
    interactive_share: Share = 0.2,
    backfill: Backfill = 0,
    gpus: Gpus = None,
    pictures_per_save: Pictures = 1,
    peak: Peak = 3.0,
    busiest_hour: Busiest = 10,
    hours: Hours = 72.0,
    steps: Steps = 12,
    batch_size: Batch = None,
    batch_speedup: Speedup = 1.0,
    gpus_per_worker: PerWorker = 8,
    start: Start = None,
    by: By = None,
    drain_within: Within = None,
    wait_p99: Wait = None,
    seed: Seed = 1,
    most_pictures: Most = 150_000,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Simulate waiting times on a number of GPUs, or find how many are needed; the real scheduler in virtual time.

    Exit status 1 if a goal (--by, --drain-within, --wait-p99) is missed, or no number of GPUs suffices.
    """
    if context.invoked_subcommand is not None:
        sources = [context.get_parameter_source(name) for name in context.params]
        if any(source is not None and source.name == "COMMANDLINE" for source in sources):
            raise typer.BadParameter(f"write the options after `{context.invoked_subcommand}`")
        return
    if seconds_per_picture is None:
        raise typer.BadParameter("say how long a picture takes", param_hint="--seconds-per-picture")
    from consumer.dev.simulate.scenario import Scenario

    load = _load(saves_per_day, interactive_share, backfill, pictures_per_save, peak, busiest_hour)
    begin, goals = _goals(start, by, drain_within, wait_p99, backfill=backfill > 0)
    settings = settings_from(env_file)
    pace = pace_of(seconds_per_picture, steps, batch_size or settings.engine.batch_size, batch_speedup)
    fleet = fleet_of(settings, pace, gpus or 1, gpus_per_worker)
    scenario = Scenario(load, begin, max(hours * 3600, goals.drained or 0.0), seed, most_pictures)
    raise typer.Exit(_answer(scenario, fleet, goals, fixed=gpus is not None, as_json=as_json))


def _answer(scenario: Scenario, fleet: Fleet, goals: ServiceGoals, *, fixed: bool, as_json: bool) -> int:
    """Print the answer and return the exit status."""
    from consumer.dev.simulate.fluid import NoSolution

    try:
        answered = _one(scenario, fleet, goals) if fixed else _fewest(scenario, fleet, goals)
    except NoSolution as error:
        complain(str(error))
        return 1
    _print(answered, as_json=as_json)
    return 0 if answered.reached else 1


def _load(saves: float, share: float, backfill: int, pictures: int, peak: float, busiest: int) -> TrafficLoad:
    from consumer.dev.simulate.scenario import TrafficLoad

    if not saves and not backfill:
        raise typer.BadParameter("There is nothing to paint: give --saves-per-day, --backfill, or both.")
    return TrafficLoad(saves, share, backfill, pictures, peak, busiest)


def _goals(
    start: str | None, by: str | None, within: str | None, wait: str | None, *, backfill: bool
) -> tuple[float, ServiceGoals]:
    """Return the start, in seconds after midnight, and the goals."""
    from consumer.dev.simulate.search import ServiceGoals

    begin, deadline = _span(start, by, within)
    if deadline and not backfill:
        raise typer.BadParameter("A deadline is for a backfill: give --backfill.")
    return begin, ServiceGoals(deadline, _seconds(wait))


@dataclass(frozen=True)
class _Answered:
    """What is printed: the answer, if any, the goals it misses, and the search that led to it."""

    result: SimulationResult | None
    missed: tuple[str, ...] = ()
    found: FleetSearch | None = None

    @property
    def reached(self) -> bool:
        return self.result is not None and not self.missed


def _one(scenario: Scenario, fleet: Fleet, goals: ServiceGoals) -> _Answered:
    from consumer.dev.simulate.result import run_scenario

    with complaints.status("simulating"):
        result = run_scenario(scenario, fleet)
    return _Answered(result, goals.missed(result))


def _fewest(scenario: Scenario, fleet: Fleet, goals: ServiceGoals) -> _Answered:
    from consumer.dev.simulate.search import search_fleet

    with complaints.status("simulating") as status:
        found = search_fleet(scenario, fleet, goals, lambda gpus: status.update(f"trying {gpus} GPU(s)"))
    return _Answered(found.best.result if found.best else None, (), found)


def _print(answered: _Answered, *, as_json: bool) -> None:
    from consumer.dev.simulate import text

    result, found = answered.result, answered.found
    if as_json:
        tries = [{"missed": list(one.missed), **one.result.as_json()} for one in found.tries] if found else []
        ruled_out = dict(zip(("gpus", "why"), found.ruled_out, strict=True)) if found and found.ruled_out else None
        figures = {"missed": list(answered.missed), "tries": tries, "ruled_out_by_formula": ruled_out}
        print(json.dumps({"answer": result.as_json() if result else None, **figures}))
        return
    if found:
        print_table(text.TRY_HEAD, text.tries(found))
        say(text.verdict(found))
    if result:
        for sentence in text.asked(result):
            say(sentence)
        print_table(text.LANE_HEAD, text.lanes(result))
        for name, finding in text.findings(result):
            say(f"{name:<12} {finding}")
    for missed in answered.missed:
        say(f"{'not reached':<12} {missed}")


def _span(start: str | None, by: str | None, within: str | None) -> tuple[float, float | None]:
    """Return the start, in seconds after midnight, and the seconds to the deadline, if there is one."""
    from consumer.dev.simulate.when import moment

    if by and within:
        raise typer.BadParameter("Give --by or --drain-within, not both: each is a deadline.")
    now = datetime.now()  # noqa: DTZ005 - people write deadlines in local time
    try:
        begin = moment(start, now) if start else now if by else datetime(1970, 1, 1)  # noqa: DTZ001 - the same
        deadline = (moment(by, begin) - begin).total_seconds() if by else _seconds(within)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return (begin - begin.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds(), deadline


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    seconds = time_span(text).total_seconds()
    if not seconds:
        raise typer.BadParameter(f"{text!r} is zero: write a time span above zero.")
    return seconds
