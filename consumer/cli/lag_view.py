"""A lag snapshot as tables and as JSON: lanes first, then the partitions that are not OK."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from consumer.delivery.own_offsets import replay_command
from consumer.delivery.positions import explain
from consumer.kafka.topics import lane_topics
from consumer.lag.history import LagSummary, summarize
from consumer.lag.reader import skipped_by_topic
from consumer.lag.status import LagStatus
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from consumer.delivery.controls import Pause
    from consumer.lag.history import PartitionStatus
    from consumer.lag.reader import LagSnapshot
    from consumer.settings import Settings

SHOWN = 20
"""Partitions listed because they are not OK; --partitions shows all."""

_COLOURS = {LagStatus.OK: "green", LagStatus.SLOW: "yellow", LagStatus.STALLED: "red", LagStatus.STOPPED: "red"}
_FAMILY = "article-image-"
_SPANS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class LagView:
    """A snapshot and its assessment, ready to show."""

    snapshot: LagSnapshot
    partitions: Sequence[PartitionStatus]

    def as_json(self, settings: Settings, devices: int | None) -> dict[str, Any]:
        """Return the shape documented in docs/operations/lag.md; an unknown figure is null."""
        throughput = self.snapshot.throughput
        return {
            "group": settings.kafka.group_id,
            "at": datetime.fromtimestamp(self.snapshot.at_ms / 1000, UTC).isoformat(),
            "members": self.snapshot.members,
            "measured": {"engine_seconds": throughput.engine_seconds, "outcomes": throughput.outcomes},
            "pauses": None if self.snapshot.controls is None else [_pause(each) for each in self._pauses],
            **_figures(summarize(self.partitions), devices),
            "lanes": [{"topic": lane, **_figures(summarize(own), devices)} for lane, own in self._lanes(settings)],
            "partitions": [_row(each, devices) for each in self.partitions],
        }

    def as_tables(self, settings: Settings, devices: int | None, *, whole: bool, why: str) -> RenderableType:
        """Return the tables: at most 80 columns wide, with up to a million records per partition."""
        if not self.partitions:
            return Text(f"group {settings.kafka.group_id}: there are no lanes; create them: leadart topics apply")
        parts: list[RenderableType] = [self._title(settings), self._lane_table(settings, devices)]
        listed = [each for each in self.partitions if whole or each.status is not LagStatus.OK]
        if listed:
            parts += [Text(), _partition_table(settings, listed if whole else listed[:SHOWN])]
            if not whole and len(listed) > SHOWN:
                parts.append(Text(f"and {len(listed) - SHOWN} more; --partitions shows all"))
        parts += [Text(line, style="yellow") for line in self._paused(settings)]
        parts += [_unwrapped(line) for line in (*self._foreign(), *self._stuck())]  # each ends in a command to copy
        problems = (*self._hidden(settings), *self._deleted(settings), *self._outages(), *self._nobody())
        parts += [Text(line, style="red") for line in (*problems, why) if line]
        return Group(*parts)

    def _title(self, settings: Settings) -> Text:
        throughput, members = self.snapshot.throughput, self.snapshot.members
        status = summarize(self.partitions).status
        title = Text(f"group {settings.kafka.group_id}: ").append(_styled(status))
        workers = "workers unknown" if members is None else f"{members} worker{'' if members == 1 else 's'}"
        job = "seconds per job unknown"
        if throughput.engine_seconds is not None:
            job = f"{_time(throughput.engine_seconds)} per job, median of the last {throughput.outcomes}"
        return title.append(f", {workers}, {job}")

    def _lanes(self, settings: Settings) -> list[tuple[str, list[PartitionStatus]]]:
        lanes = [(lane, [each for each in self.partitions if each.lag.topic == lane]) for lane in lane_topics(settings)]
        return [(lane, own) for lane, own in lanes if own]

    def _lane_table(self, settings: Settings, devices: int | None) -> Table:
        table = _table("lane", "verdict", "lag", "incomplete", "not due", "oldest", "engine", *_if(devices, "drain"))
        for lane, own in self._lanes(settings):
            figures = summarize(own)
            drain = _time(_drain(figures.engine_seconds, devices))
            cells = (*_counts(figures), _age(figures.incomplete, figures.waited), _time(figures.engine_seconds))
            verdict = Text("paused", style="yellow") if _is_held(own) else _styled(figures.status)
            table.add_row(_short(settings, lane), verdict, *cells, *_if(devices, drain))
        return table

    @property
    def _pauses(self) -> Sequence[Pause]:
        return self.snapshot.controls.pauses if self.snapshot.controls else ()

    def _paused(self, settings: Settings) -> list[str]:
        """Return what is paused, with the requests of a paused lane: they are no lag."""
        if self.snapshot.controls is None:
            return ["what is paused is unknown; see: leadart pause"]
        return [
            f"paused since {_pause(each)['since']}: {each.match}{self._waiting(settings, each)}"
            for each in self._pauses
        ]

    def _waiting(self, settings: Settings, pause: Pause) -> str:
        """Return what a pause holds, if it is of a whole lane that is not read."""
        for lane, own in self._lanes(settings):
            if pause.match.named == {"lane": lane} and _is_held(own):
                return f"; waiting there, not counted as incomplete: {_count(summarize(own).paused)}"
        return ""

    def _hidden(self, settings: Settings) -> list[str]:
        hidden = [
            f"{_short(settings, each.lag.topic)}:{each.lag.partition} ({each.lag.hidden})"
            for each in self.partitions
            if each.lag.hidden
        ]
        return [f"hidden behind open transactions: {', '.join(hidden)}"] if hidden else []

    def _foreign(self) -> list[str]:
        lines = []
        for topic, skipped in skipped_by_topic(each.lag for each in self.partitions).items():
            where = ", ".join(f"{partition} (at {span.stop})" for partition, span in sorted(skipped.items()))
            lines.append(
                f"{topic}: somebody else committed offsets ahead of leadart's own in partitions {where}. A worker that "
                f"gets them goes back to its own; to see what they skip: {replay_command(topic, skipped)}"
            )
        return lines

    def _deleted(self, settings: Settings) -> list[str]:
        deleted = [
            f"{_short(settings, each.lag.topic)}:{each.lag.partition} ({each.lag.deleted})"
            for each in self.partitions
            if each.lag.deleted
        ]
        return [f"deleted before they were read: {', '.join(deleted)}"] if deleted else []

    def _stuck(self) -> list[str]:
        stuck = [each.lag.stuck for each in self.partitions if each.lag.stuck]
        return [explain(stuck).message] if stuck else []

    def _outages(self) -> list[str]:
        lines = []
        for outage in sorted({each.lag.outage for each in self.partitions if each.lag.outage}):
            shards = sorted({each.lag.partition for each in self.partitions if each.lag.outage == outage})
            lines.append(f"shards {shards} wait, {outage}: {_remedy(outage)}")
        return lines

    def _nobody(self) -> list[str]:
        if self.snapshot.members != 0 or summarize(self.partitions).status is not LagStatus.STOPPED:
            return []
        return ["nobody is in the group: start workers, or see /readyz of those that run"]


def _figures(figures: LagSummary, devices: int | None) -> dict[str, Any]:
    return {
        "verdict": figures.status,
        "lag": figures.lag,
        "incomplete": figures.incomplete,
        "paused": figures.paused,
        "not_due": figures.not_due,
        "hidden": figures.hidden,
        "oldest_seconds": figures.waited,
        "engine_seconds": figures.engine_seconds,
        "drain_seconds": _drain(figures.engine_seconds, devices),
    }


def _pause(pause: Pause) -> dict[str, Any]:
    since = datetime.fromtimestamp(pause.since / 1000, UTC).isoformat(timespec="seconds")
    return {"match": pause.match.named, "since": since}


def _row(each: PartitionStatus, devices: int | None) -> dict[str, Any]:
    lag = each.lag
    at = {"topic": lag.topic, "partition": lag.partition, "committed": lag.committed, "end": lag.end}
    exact = lag.backlog.exact if lag.backlog else None
    rest = {"finished_above": lag.finished_above, "trouble": lag.outage, "exact": exact, "foreign": lag.foreign}
    rest |= {"deleted": lag.deleted, "stuck": lag.stuck.obstacle.value if lag.stuck else None}
    return at | rest | _figures(summarize([each]), devices)


def _partition_table(settings: Settings, partitions: Sequence[PartitionStatus]) -> Table:
    table = _table("partition", "verdict", "lag", "incomplete", "not due", "oldest", "committed", "end")
    for each in partitions:
        figures, lag = summarize([each]), each.lag
        name = f"{_short(settings, lag.topic)}:{lag.partition}"
        cells = (*_counts(figures), _age(figures.incomplete, each.waited), _count(lag.committed), _count(lag.end))
        table.add_row(name, _styled(each.status), *cells)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right", no_wrap=True)
    return table


def _unwrapped(line: str) -> Table:
    """Return a line that is as wide as a table may be."""
    cell = Table.grid()
    cell.add_column(no_wrap=True)
    cell.add_row(Text(line, style="red"))
    return cell


def _counts(figures: LagSummary) -> tuple[str, str, str]:
    return _count(figures.lag), _count(figures.incomplete), _count(figures.not_due)


def _count(figure: int | None) -> str:
    return "unknown" if figure is None else str(figure)


def _age(incomplete: int | None, waited: float | None) -> str:
    return "-" if incomplete == 0 else _time(waited)


def _time(seconds: float | None) -> str:
    """Format a time in its own order of magnitude."""
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


def _is_held(partitions: Sequence[PartitionStatus]) -> bool:
    return all(each.lag.held for each in partitions)


def _styled(status: LagStatus | None) -> Text:
    return Text("unknown") if status is None else Text(status, style=_COLOURS[status])


def _short(settings: Settings, topic: str) -> str:
    return topic.removeprefix(settings.topics.prefix).removeprefix(_FAMILY)


def _remedy(outage: str) -> str:
    known = next((reason for reason in Reason if reason == outage), None)
    return f"{known.meaning} {known.remedy}" if known else "a reason code of a newer worker"
