"""From looks at the group to verdicts: what one look tells, and what several tell together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from consumer.delivery.retry import DELAYS
from consumer.lag.status import GROWTH_SECONDS, Case, Growth, Verdict, judge, worst
from schemas.names import BACKFILL, REQUESTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.lag.reader import Look, PartitionLag
    from consumer.settings import Settings

SAMPLE_SECONDS = 10.0
"""Least time between two looks that are remembered."""

Key = tuple[str, int]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Judged:
    """A partition's lag and what it means. `waited` is the age of its oldest incomplete record in seconds.

    `engine_seconds` is what its incomplete records will cost in the engine at most, as far as it was measured.
    """

    lag: PartitionLag
    verdict: Verdict | None
    waited: float | None
    engine_seconds: float | None


@dataclass(slots=True)
class _Past:
    """What earlier looks saw of one partition."""

    state: tuple[int | None, int | None]
    samples: deque[tuple[int, int, float]] = field(default_factory=deque)


class History:
    """Judges look after look; the first one by itself, the later ones also by what moved and what grew since.

    `whole`: a look sees the outcomes, so that silence is known from before the first look. Without, nothing is held
    against a time in which nobody looked.
    """

    def __init__(self, settings: Settings, *, whole: bool = True) -> None:
        self._awaited = {settings.topics.named(base) for base in (REQUESTED, *DELAYS)}
        ranks = {REQUESTED: 0, **dict.fromkeys(DELAYS, 1), BACKFILL: 2}
        self._ranks = {settings.topics.named(base): rank for base, rank in ranks.items()}
        self._jobs_in_hand = settings.worker.jobs_in_hand
        self._whole = whole
        self._past: dict[Key, _Past] = {}
        self._moved_ms: dict[int, int] = {}

    def judge(self, look: Look) -> list[Judged]:
        """Judge each partition of a look, in its order, and remember the look."""
        self._remember(look)
        return [self._judged(look, lag) for lag in look.partitions]

    def _remember(self, look: Look) -> None:
        keys = {(lag.topic, lag.partition) for lag in look.partitions}
        self._past = {key: past for key, past in self._past.items() if key in keys}
        shards = {shard for _, shard in keys}
        self._moved_ms = {shard: at for shard, at in self._moved_ms.items() if shard in shards}
        for shard in shards - look.measured.newest_ms.keys():
            if not self._whole:
                self._moved_ms.setdefault(shard, look.at_ms)
        for lag in look.partitions:
            state = (lag.committed, lag.finished_above)
            past = self._past.setdefault((lag.topic, lag.partition), _Past(state))
            if past.state != state:
                past.state = state
                self._moved_ms[lag.partition] = look.at_ms
            _sample(past.samples, look.at_ms, lag)
        for shard, at in look.measured.newest_ms.items():
            self._moved_ms[shard] = max(at, self._moved_ms.get(shard, at))

    def _judged(self, look: Look, lag: PartitionLag) -> Judged:
        job, moved = look.measured.engine_seconds, self._moved_ms.get(lag.partition)
        latest = max(self._moved_ms.values(), default=None)
        waited = lag.waited(look.at_ms)
        case = Case(
            incomplete=lag.incomplete,
            waited=waited,
            awaited=lag.topic in self._awaited,
            members=look.members,
            silence=_since(moved, look.at_ms),
            silence_anywhere=_since(latest, look.at_ms),
            ahead=self._ahead(look, lag),
            job_seconds=job,
            growth=_growth(self._past[lag.topic, lag.partition].samples),
        )
        cost = None if job is None or lag.incomplete is None else lag.incomplete * job
        return Judged(lag, judge(case), waited, cost)

    def _ahead(self, look: Look, lag: PartitionLag) -> int:
        """Count what other shards may have in hand before this partition's turn: a lane has a bound on that."""
        queued: dict[str, int] = {}
        for other in look.partitions:
            if other.partition != lag.partition and self._ranks[other.topic] <= self._ranks[lag.topic]:
                queued[other.topic] = queued.get(other.topic, 0) + (other.incomplete or 0)
        return sum(min(records, self._jobs_in_hand) for records in queued.values())


def _since(moved_ms: int | None, at_ms: int) -> float | None:
    return None if moved_ms is None else max(0, at_ms - moved_ms) / 1000


def _sample(samples: deque[tuple[int, int, float]], at_ms: int, lag: PartitionLag) -> None:
    """Remember a look, and of those that are old enough to compare with only the newest."""
    if lag.incomplete is None:
        samples.clear()
        return
    if not samples or at_ms - samples[-1][0] >= SAMPLE_SECONDS * 1000:
        samples.append((at_ms, lag.incomplete, lag.waited(at_ms) or 0.0))
    while len(samples) > 1 and samples[-1][0] - samples[1][0] >= GROWTH_SECONDS * 1000:
        samples.popleft()


def _growth(samples: deque[tuple[int, int, float]]) -> Growth | None:
    if not samples:
        return None
    (first_at, first, first_waited), (last_at, last, last_waited) = samples[0], samples[-1]
    if last_at - first_at < GROWTH_SECONDS * 1000:
        return None
    return Growth(last - first, last_waited - first_waited)


@dataclass(frozen=True, slots=True)
class Summary:
    """What several partitions are together. A figure is None as soon as that of one of them is unknown.

    `waited` is the age of the oldest incomplete record of those that are known, in seconds.
    """

    verdict: Verdict | None
    lag: int | None
    incomplete: int | None
    not_due: int | None
    hidden: int | None
    waited: float | None
    engine_seconds: float | None


def summary(judged: Sequence[Judged]) -> Summary:
    """Sum partitions up."""
    return Summary(
        verdict=worst(each.verdict for each in judged),
        lag=_sum([each.lag.records for each in judged]),
        incomplete=_sum([each.lag.incomplete for each in judged]),
        not_due=_sum([each.lag.not_due for each in judged]),
        hidden=_sum([each.lag.hidden for each in judged]),
        waited=max((each.waited for each in judged if each.waited is not None), default=None),
        engine_seconds=_sum([each.engine_seconds for each in judged]),
    )


def _sum(figures: Sequence[Number | None]) -> Number | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(figures) else None
