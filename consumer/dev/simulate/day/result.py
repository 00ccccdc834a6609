"""A newsroom's day under one policy taken apart, as figures and as rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from consumer.dev.simulate.day.newsroom import Newsroom
from consumer.dev.simulate.day.policies import taken_apart
from consumer.dev.simulate.day.stories import saves_of
from consumer.dev.simulate.day.tally import WITH_PICTURE, DayTally, SaveEnd, Waits
from consumer.dev.simulate.day.worker import simulate_day
from consumer.dev.simulate.scenario import HOUR, Fleet
from consumer.dev.simulate.text import counted, percent
from consumer.dev.simulate.when import spelled
from consumer.processing.policy import Policy
from consumer.processing.styles import Styles

HEAD: Final = ("", "nothing", "policy", "settle time", "both")

_ENDS: Final = {
    SaveEnd.DECLINED: "declined",
    SaveEnd.HELD: "held",
    SaveEnd.SETTLED: "settled",
    SaveEnd.SUPERSEDED: "superseded before painting",
    SaveEnd.INTERRUPTED: "superseded while painting",
    SaveEnd.KEPT: "kept by a choice",
    SaveEnd.REUSED: "same picture",
    SaveEnd.PAINTED: "painted",
}


@dataclass(frozen=True)
class DayScenario:
    """A newsroom on these GPUs; the same seed gives the same day."""

    newsroom: Newsroom
    policy: Policy
    styles: Styles
    fleet: Fleet
    seed: int = 1


@dataclass(frozen=True)
class DayResult:
    """The day's tally for each policy that was compared, by its name."""

    scenario: DayScenario
    requests: int
    columns: dict[str, DayTally]

    def as_json(self) -> dict[str, Any]:
        """Return all figures, units in their names."""
        scenario = self.scenario
        return {
            "newsroom": scenario.newsroom.model_dump(),
            "policy": scenario.policy.version,
            "gpus": scenario.fleet.gpus,
            "seconds_per_picture": scenario.fleet.pace.seconds,
            "seed": scenario.seed,
            "columns": {name: self._figures(tally) for name, tally in self.columns.items()},
        }

    def _figures(self, tally: DayTally) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "ends": {end.value: tally.ends[end] for end in SaveEnd},
            "pictures_painted": tally.pictures,
            "pictures_saved_share": self._saved(tally),
            "gpu_hours": tally.gpu_seconds / HOUR,
            "choices": tally.choices,
            "interactive": _waits(tally.interactive),
            "final": _waits(tally.final) | {"ends": {end.value: count for end, count in tally.final_ends.items()}},
        }

    def _saved(self, tally: DayTally) -> float:
        before = self.columns["nothing"].pictures
        return 1 - tally.pictures / before if before else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table below `HEAD`."""
        return [
            self._row("requests", lambda _: counted(self.requests)),
            *(self._row(name, partial(_ended, end)) for end, name in _ENDS.items()),
            self._row("pictures painted", lambda tally: counted(tally.pictures)),
            self._row("saved", lambda tally: percent(self._saved(tally))),
            self._row("GPU hours", lambda tally: f"{tally.gpu_seconds / HOUR:.2f}"),
            self._row("interactive wait p50", lambda tally: spelled(tally.interactive.quantile(0.5))),
            self._row("interactive wait p95", lambda tally: spelled(tally.interactive.quantile(0.95))),
            self._row("final picture p50", lambda tally: spelled(tally.final.quantile(0.5))),
            self._row("final picture p95", lambda tally: spelled(tally.final.quantile(0.95))),
            self._row("final picture there", _illustrated),
        ]

    def _row(self, name: str, cell: Callable[[DayTally], str]) -> tuple[str, ...]:
        return (name, *(cell(tally) for tally in self.columns.values()))


def run_day(scenario: DayScenario, report: Callable[[str], None]) -> DayResult:
    """Simulate the day under each policy; `report` is called with its name before it begins."""
    saves = saves_of(scenario.newsroom, scenario.seed)
    columns = {}
    for name, policy in taken_apart(scenario.policy).items():
        report(name)
        columns[name] = simulate_day(scenario.fleet, policy, scenario.styles, saves)
    return DayResult(scenario, len(saves), columns)


def _ended(end: SaveEnd, tally: DayTally) -> str:
    return counted(tally.ends[end])


def _illustrated(tally: DayTally) -> str:
    ends = tally.final_ends
    return f"{counted(sum(ends[end] for end in WITH_PICTURE))} of {counted(ends.total())}"


def _waits(waits: Waits) -> dict[str, Any]:
    return {
        "with_picture": len(waits.seconds),
        "wait_seconds": {"p50": waits.quantile(0.5), "p95": waits.quantile(0.95)},
    }
