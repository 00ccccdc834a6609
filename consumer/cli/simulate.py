"""`leadart simulate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, EnvFile, complain, complaints, say, settings_from
from consumer.settings.time_spans import parse_time_span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.dev.simulate.answer import Scenario, SimulationResult
    from consumer.dev.simulate.fleet import Fleet
    from consumer.dev.simulate.load import TrafficLoad
    from consumer.dev.simulate.search import FleetSearch, ServiceGoals
    from consumer.settings import Settings
    from consumer.testing.device import DevicePace


Saves = Annotated[float, typer.Option("--saves-per-day", min=0, max=1e12, help="Saves that want pictures, a day.")]
Share = Annotated[float, typer.Option("--interactive-share", min=0, max=1, help="Share of saves somebody waits for.")]
Backfill = Annotated[int, typer.Option(min=0, max=10**12, help="Articles of a replay that wait from the beginning.")]
Seconds = Annotated[
    float, typer.Option(min=0.001, max=3600, help="Seconds a GPU takes for a picture that is alone (leadart bench).")
]
Gpus = Annotated[int | None, typer.Option(min=1, max=1_000_000, help="GPUs; without it, the fewest that do are found.")]
Pictures = Annotated[int, typer.Option("--pictures-per-save", min=1, max=9, help="Pictures of a save or an article.")]
Peak = Annotated[float, typer.Option(min=1, max=20, help="The busiest hour's saves over the mean hour's.")]
Busiest = Annotated[int, typer.Option("--busiest-hour", min=0, max=23, help="When that hour begins, by the clock.")]
Hours = Annotated[
    float, typer.Option(min=0.01, max=8760, help="How long is watched; longer where a deadline is later.")
]
Steps = Annotated[int, typer.Option(min=1, max=200, help="Denoising steps of a picture.")]
Batch = Annotated[
    int | None, typer.Option("--batch-size", min=1, max=64, help="Most pictures in a step; else the engine's setting.")
]
Speedup = Annotated[
    float, typer.Option("--batch-speedup", min=1, max=64, help="Pictures a second in full steps, over one by one.")
]
PerWorker = Annotated[int, typer.Option("--gpus-per-worker", min=1, max=64, help="Most GPUs of one worker.")]
Start = Annotated[
    str | None, typer.Option("--from", help="When it begins, such as 'Friday 18:00'; else now with --by, or midnight.")
]
By = Annotated[str | None, typer.Option(help="When the backfill has to be done: 'Monday 08:00', or ISO 8601.")]
Within = Annotated[str | None, typer.Option("--drain-within", help="Or how long it may take, such as 60h.")]
Wait = Annotated[str | None, typer.Option("--wait-p99", help="What 99 % of interactive waits must keep, such as 2s.")]
Seed = Annotated[int, typer.Option(min=0, help="Which chances are drawn: the same seed gives the same answer.")]
Most = Annotated[int, typer.Option("--most-pictures", min=1000, help="About the most that is simulated; bounds time.")]


def simulate(
    seconds_per_picture: Seconds,
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
    """Say who waits how long on so many GPUs, or how many GPUs it takes; the real scheduler in virtual time.

    Exit status 1 if a goal (--by, --drain-within, --wait-p99) is not reached, or the load has no answer.
    """
    load = _load(saves_per_day, interactive_share, backfill, pictures_per_save, peak, busiest_hour)
    begin, goals = _goals(start, by, drain_within, wait_p99, backfill=backfill > 0)
    settings = settings_from(env_file)
    pace = _pace(seconds_per_picture, steps, batch_size or settings.engine.batch_size, batch_speedup)
    fleet = _fleet(settings, pace, gpus or 1, gpus_per_worker)
    question = _question(load, begin, max(hours * 3600, goals.drained or 0.0), seed, most_pictures)
    raise typer.Exit(_answer(question, fleet, goals, fixed=gpus is not None, as_json=as_json))


def _answer(question: Scenario, fleet: Fleet, goals: ServiceGoals, *, fixed: bool, as_json: bool) -> int:
    """Print the answer and return the exit status."""
    from consumer.dev.simulate.fluid import NoSolution

    try:
        answered = _one(question, fleet, goals) if fixed else _fewest(question, fleet, goals)
    except NoSolution as error:
        complain(str(error))
        return 1
    _print(answered, as_json=as_json)
    return 0 if answered.reached else 1


def _load(saves: float, share: float, backfill: int, pictures: int, peak: float, busiest: int) -> TrafficLoad:
    from consumer.dev.simulate.load import TrafficLoad

    if not saves and not backfill:
        raise typer.BadParameter("There is nothing to paint: give --saves-per-day, --backfill, or both.")
    return TrafficLoad(saves, share, backfill, pictures, peak, busiest)


def _goals(
    start: str | None, by: str | None, within: str | None, wait: str | None, *, backfill: bool
) -> tuple[float, ServiceGoals]:
    """Return when it begins, in seconds after midnight, and what has to be reached."""
    from consumer.dev.simulate.search import ServiceGoals

    begin, deadline = _span(start, by, within)
    if deadline and not backfill:
        raise typer.BadParameter("A deadline is for a backfill: give --backfill.")
    return begin, ServiceGoals(deadline, _seconds(wait))


def _question(load: TrafficLoad, begin: float, seconds: float, seed: int, most_pictures: int) -> Scenario:
    from consumer.dev.simulate.answer import Scenario

    return Scenario(load, begin, seconds, seed, most_pictures)


@dataclass(frozen=True)
class _Answered:
    """What is printed: the answer, if there is one, what of the goals it misses, and the search that led to it."""

    got: SimulationResult | None
    missed: tuple[str, ...] = ()
    found: FleetSearch | None = None

    @property
    def reached(self) -> bool:
        return self.got is not None and not self.missed


def _one(question: Scenario, fleet: Fleet, goals: ServiceGoals) -> _Answered:
    from consumer.dev.simulate.answer import run_scenario

    with complaints.status("simulating"):
        got = run_scenario(question, fleet)
    return _Answered(got, goals.missed(got))


def _fewest(question: Scenario, fleet: Fleet, goals: ServiceGoals) -> _Answered:
    from consumer.dev.simulate.search import search_fleet

    with complaints.status("simulating") as status:
        found = search_fleet(question, fleet, goals, lambda gpus: status.update(f"trying {gpus} GPU(s)"))
    return _Answered(found.best.got if found.best else None, (), found)


def _print(answered: _Answered, *, as_json: bool) -> None:
    from consumer.dev.simulate import text

    got, found = answered.got, answered.found
    if as_json:
        tries = [{"missed": list(one.missed), **one.got.as_json()} for one in found.tries] if found else []
        ruled_out = dict(zip(("gpus", "why"), found.ruled_out, strict=True)) if found and found.ruled_out else None
        figures = {"missed": list(answered.missed), "tries": tries, "ruled_out_by_formula": ruled_out}
        print(json.dumps({"answer": got.as_json() if got else None, **figures}))
        return
    if found:
        _table(text.TRY_HEAD, text.tries(found))
        say(text.verdict(found))
    if got:
        for sentence in text.asked(got):
            say(sentence)
        _table(text.LANE_HEAD, text.lanes(got))
        for name, finding in text.findings(got):
            say(f"{name:<12} {finding}")
    for missed in answered.missed:
        say(f"{'not reached':<12} {missed}")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table as wide as it has to be: what it says is for copying too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _pace(seconds: float, steps: int, batch: int, speedup: float) -> DevicePace:
    from consumer.testing.device import DevicePace

    if speedup > 1 and speedup > 0.95 * batch:
        message = f"{batch} pictures in a step cannot be {speedup:g} times as fast: at most {0.95 * batch:.2f}."
        raise typer.BadParameter(message, param_hint="--batch-speedup")
    return DevicePace(seconds, steps, batch, speedup)


def _fleet(settings: Settings, pace: DevicePace, gpus: int, gpus_per_worker: int) -> Fleet:
    from consumer.dev.simulate.fleet import Fleet

    window, worker = settings.engine.window, settings.worker
    return Fleet(gpus, pace, gpus_per_worker, window, worker.pictures_unstored, worker.jobs_in_hand)


def _span(start: str | None, by: str | None, within: str | None) -> tuple[float, float | None]:
    """Return when it begins, in seconds after midnight, and how many seconds it has; None without a deadline."""
    from consumer.dev.simulate.when import moment

    if by and within:
        raise typer.BadParameter("Give --by or --drain-within, not both: each is the deadline.")
    now = datetime.now()  # noqa: DTZ005 - deadlines are in local time, as people write them
    try:
        begin = moment(start, now) if start else now if by else datetime(1970, 1, 1)  # noqa: DTZ001 - likewise
        deadline = (moment(by, begin) - begin).total_seconds() if by else _seconds(within)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return (begin - begin.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds(), deadline


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_time_span(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if not seconds:
        raise typer.BadParameter(f"{text!r} is no time at all: write a time span above zero.")
    return seconds
