"""A look at the lag as tables and as JSON: lanes first, then the partitions that are not well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from consumer.kafka.topics import lane_topics
from consumer.lag.history import Summary, summary
from consumer.lag.status import Verdict
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from consumer.lag.history import Judged
    from consumer.lag.reader import Look
    from consumer.settings import Settings

SHOWN = 20
"""Partitions that are listed for not being OK; the option shows all."""

_COLOURS = {Verdict.OK: "green", Verdict.SLOW: "yellow", Verdict.STALLED: "red", Verdict.STOPPED: "red"}
_FAMILY = "article-image-"
_SPANS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class LagView:
    """What one look found and what it means, to be shown."""

    look: Look
    judged: Sequence[Judged]

    def as_json(self, settings: Settings, devices: int | None) -> dict[str, Any]:
        """Return the documented shape, docs/operations/lag.md; what is unknown is null."""
        measured = self.look.measured
        return {
            "group": settings.kafka.group_id,
            "at": datetime.fromtimestamp(self.look.at_ms / 1000, UTC).isoformat(),
            "members": self.look.members,
            "measured": {"engine_seconds": measured.engine_seconds, "outcomes": measured.outcomes},
            **_figures(summary(self.judged), devices),
            "lanes": [{"topic": lane, **_figures(summary(own), devices)} for lane, own in self._lanes(settings)],
            "partitions": [_row(each, devices) for each in self.judged],
        }

    def as_tables(self, settings: Settings, devices: int | None, *, whole: bool, why: str) -> RenderableType:
        """Return what a person is shown; up to a million records a partition, at most 80 columns wide."""
        if not self.judged:
            return Text(f"group {settings.kafka.group_id}: there are no lanes; leadart topics apply creates them")
        parts: list[RenderableType] = [self._title(settings), self._lane_table(settings, devices)]
        listed = [each for each in self.judged if whole or each.verdict is not Verdict.OK]
        if listed:
            parts += [Text(), _partition_table(settings, listed if whole else listed[:SHOWN])]
            if not whole and len(listed) > SHOWN:
                parts.append(Text(f"and {len(listed) - SHOWN} more; --partitions shows all"))
        parts += [Text(line, style="red") for line in (*self._hidden(settings), *self._troubles(), why) if line]
        return Group(*parts)

    def _title(self, settings: Settings) -> Text:
        measured, members = self.look.measured, self.look.members
        verdict = summary(self.judged).verdict
        title = Text(f"group {settings.kafka.group_id}: ").append(_told(verdict))
        workers = "workers unknown" if members is None else f"{members} worker{'' if members == 1 else 's'}"
        job = "seconds per job unknown"
        if measured.engine_seconds is not None:
            job = f"{_time(measured.engine_seconds)} per job, median of the last {measured.outcomes}"
        return title.append(f", {workers}, {job}")

    def _lanes(self, settings: Settings) -> list[tuple[str, list[Judged]]]:
        lanes = [(lane, [each for each in self.judged if each.lag.topic == lane]) for lane in lane_topics(settings)]
        return [(lane, own) for lane, own in lanes if own]

    def _lane_table(self, settings: Settings, devices: int | None) -> Table:
        table = _table("lane", "verdict", "lag", "incomplete", "not due", "oldest", "engine", *_if(devices, "drain"))
        for lane, own in self._lanes(settings):
            figures = summary(own)
            drain = _time(_drain(figures.engine_seconds, devices))
            cells = (*_counts(figures), _age(figures.incomplete, figures.waited), _time(figures.engine_seconds))
            table.add_row(_short(settings, lane), _told(figures.verdict), *cells, *_if(devices, drain))
        return table

    def _hidden(self, settings: Settings) -> list[str]:
        told = [
            f"{_short(settings, each.lag.topic)}:{each.lag.partition} ({each.lag.hidden})"
            for each in self.judged
            if each.lag.hidden
        ]
        return [f"behind open transactions, seen by no worker: {', '.join(told)}"] if told else []

    def _troubles(self) -> list[str]:
        lines = []
        for trouble in sorted({each.lag.trouble for each in self.judged if each.lag.trouble}):
            shards = sorted({each.lag.partition for each in self.judged if each.lag.trouble == trouble})
            lines.append(f"shards {shards} wait, {trouble}: {_remedy(trouble)}")
        return lines


def _figures(figures: Summary, devices: int | None) -> dict[str, Any]:
    return {
        "verdict": figures.verdict,
        "lag": figures.lag,
        "incomplete": figures.incomplete,
        "not_due": figures.not_due,
        "hidden": figures.hidden,
        "oldest_seconds": figures.waited,
        "engine_seconds": figures.engine_seconds,
        "drain_seconds": _drain(figures.engine_seconds, devices),
    }


def _row(each: Judged, devices: int | None) -> dict[str, Any]:
    lag = each.lag
    at = {"topic": lag.topic, "partition": lag.partition, "committed": lag.committed, "end": lag.end}
    exact = lag.pending.exact if lag.pending else None
    rest = {"finished_above": lag.finished_above, "trouble": lag.trouble, "exact": exact}
    return at | rest | _figures(summary([each]), devices)


def _partition_table(settings: Settings, judged: Sequence[Judged]) -> Table:
    table = _table("partition", "verdict", "lag", "incomplete", "not due", "oldest", "committed", "end")
    for each in judged:
        figures, lag = summary([each]), each.lag
        name = f"{_short(settings, lag.topic)}:{lag.partition}"
        cells = (*_counts(figures), _age(figures.incomplete, each.waited), _count(lag.committed), _count(lag.end))
        table.add_row(name, _told(each.verdict), *cells)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right", no_wrap=True)
    return table


def _counts(figures: Summary) -> tuple[str, str, str]:
    return _count(figures.lag), _count(figures.incomplete), _count(figures.not_due)


def _count(figure: int | None) -> str:
    return "unknown" if figure is None else str(figure)


def _age(incomplete: int | None, waited: float | None) -> str:
    return "-" if incomplete == 0 else _time(waited)


def _time(seconds: float | None) -> str:
    """Tell a time in its own order of magnitude."""
    if seconds is None:
        return "unknown"
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.3g} s"


def _drain(engine_seconds: float | None, devices: int | None) -> float | None:
    return None if engine_seconds is None or devices is None else engine_seconds / devices


def _if(devices: int | None, cell: str) -> tuple[str, ...]:
    return () if devices is None else (cell,)


def _told(verdict: Verdict | None) -> Text:
    return Text("unknown") if verdict is None else Text(verdict, style=_COLOURS[verdict])


def _short(settings: Settings, topic: str) -> str:
    return topic.removeprefix(settings.topics.prefix).removeprefix(_FAMILY)


def _remedy(trouble: str) -> str:
    known = next((reason for reason in Reason if reason == trouble), None)
    return f"{known.meaning} {known.remedy}" if known else "a reason that a newer worker gave"
