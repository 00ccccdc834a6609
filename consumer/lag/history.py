"""From snapshots to statuses: what one snapshot shows, and what several show together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.delivery.retry import DELAYS
from consumer.lag.reader import LagSnapshot, PartitionLag, known_sum
from consumer.lag.status import GROWTH_SECONDS, BacklogGrowth, LagFacts, LagStatus, assess, worst
from consumer.settings import Settings
from schemas.names import BACKFILL, REQUESTED

SAMPLE_SECONDS = 10.0
"""Least time between two snapshots that are remembered."""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """A partition's lag and what it means. `waited` is the age of its oldest incomplete record in seconds.

    `engine_seconds` is the most that its incomplete records will cost in the engine; None if nothing was measured.
    """

    lag: PartitionLag
    status: LagStatus | None
    waited: float | None
    engine_seconds: float | None


@dataclass(slots=True)
class _Past:
    """What earlier snapshots saw of one partition; `samples` are time, incomplete records and the oldest one's age."""

    state: tuple[int | None, int | None]
    samples: deque[tuple[int, int, float]] = field(default_factory=deque)


class LagHistory:
    """Assesses snapshot after snapshot: the first by itself, later ones also by what moved and grew since.

    `whole`: snapshots include the outcomes, so silence is known from before the first one. Without them, time before
    the first snapshot does not count as silence.
    """

    def __init__(self, settings: Settings, *, whole: bool = True) -> None:
        self._awaited = {settings.topics.named(base) for base in (REQUESTED, *DELAYS)}
        ranks = {REQUESTED: 0, **dict.fromkeys(DELAYS, 1), BACKFILL: 2}
        self._ranks = {settings.topics.named(base): rank for base, rank in ranks.items()}
        self._jobs_in_hand = settings.worker.jobs_in_hand
        self._whole = whole
        self._past: dict[tuple[str, int], _Past] = {}
        self._moved_ms: dict[int, int] = {}

    def assess(self, snapshot: LagSnapshot) -> list[PartitionStatus]:
        """Assess each partition of a snapshot, in its order, and remember the snapshot."""
        self._remember(snapshot)
        return [self._status(snapshot, lag) for lag in snapshot.partitions]

    def _remember(self, snapshot: LagSnapshot) -> None:
        keys = {(lag.topic, lag.partition) for lag in snapshot.partitions}
        self._past = {key: past for key, past in self._past.items() if key in keys}
        shards, newest_ms = {shard for _, shard in keys}, snapshot.throughput.newest_ms
        self._moved_ms = {shard: at for shard, at in self._moved_ms.items() if shard in shards}
        for shard in shards - newest_ms.keys():
            if not self._whole:
                self._moved_ms.setdefault(shard, snapshot.at_ms)
        for lag in snapshot.partitions:
            state = (lag.committed, lag.finished_above)
            past = self._past.setdefault((lag.topic, lag.partition), _Past(state))
            if past.state != state:
                past.state = state
                self._moved_ms[lag.partition] = snapshot.at_ms
            _sample(past.samples, snapshot.at_ms, lag)
        for shard, at in newest_ms.items():
            self._moved_ms[shard] = max(at, self._moved_ms.get(shard, at))

    def _status(self, snapshot: LagSnapshot, lag: PartitionLag) -> PartitionStatus:
        job, moved = snapshot.throughput.engine_seconds, self._moved_ms.get(lag.partition)
        latest = max(self._moved_ms.values(), default=None)
        waited = lag.waited(snapshot.at_ms)
        facts = LagFacts(
            incomplete=lag.incomplete,
            waited=waited,
            awaited=lag.topic in self._awaited,
            members=snapshot.members,
            silence=_since(moved, snapshot.at_ms),
            silence_anywhere=_since(latest, snapshot.at_ms),
            ahead=self._ahead(snapshot, lag),
            job_seconds=job,
            foreign=bool(lag.skipped),
            growth=_growth(self._past[lag.topic, lag.partition].samples),
            stuck=lag.stuck is not None,
            outage=bool(lag.outage),
        )
        cost = None if job is None or lag.incomplete is None else lag.incomplete * job
        return PartitionStatus(lag, assess(facts), waited, cost)

    def _ahead(self, snapshot: LagSnapshot, lag: PartitionLag) -> int:
        """Count the records of other shards that may be served before this partition's: bounded for each lane."""
        queued: dict[str, int] = {}
        for other in snapshot.partitions:
            if other.partition != lag.partition and self._ranks[other.topic] <= self._ranks[lag.topic]:
                queued[other.topic] = queued.get(other.topic, 0) + (other.incomplete or 0)
        return sum(min(records, self._jobs_in_hand) for records in queued.values())


def _since(moved_ms: int | None, at_ms: int) -> float | None:
    return None if moved_ms is None else max(0, at_ms - moved_ms) / 1000


def _sample(samples: deque[tuple[int, int, float]], at_ms: int, lag: PartitionLag) -> None:
    """Remember a sample, and of those old enough to compare with only the newest."""
    if lag.incomplete is None:
        samples.clear()
        return
    if not samples or at_ms - samples[-1][0] >= SAMPLE_SECONDS * 1000:
        samples.append((at_ms, lag.incomplete, lag.waited(at_ms) or 0.0))
    while len(samples) > 1 and samples[-1][0] - samples[1][0] >= GROWTH_SECONDS * 1000:
        samples.popleft()


def _growth(samples: deque[tuple[int, int, float]]) -> BacklogGrowth | None:
    if not samples:
        return None
    (first_at, first, first_waited), (last_at, last, last_waited) = samples[0], samples[-1]
    if last_at - first_at < GROWTH_SECONDS * 1000:
        return None
    return BacklogGrowth(last - first, last_waited - first_waited)


@dataclass(frozen=True, slots=True)
class LagSummary:
    """Several partitions together. A figure is None as soon as that of one of them is unknown.

    `waited` is the age of the oldest incomplete record of those that are known, in seconds.
    """

    status: LagStatus | None
    lag: int | None
    incomplete: int | None
    paused: int | None
    not_due: int | None
    hidden: int | None
    waited: float | None
    engine_seconds: float | None


def summarize(partitions: Sequence[PartitionStatus]) -> LagSummary:
    """Sum partitions up."""
    return LagSummary(
        status=worst(each.status for each in partitions),
        lag=known_sum(each.lag.records for each in partitions),
        incomplete=known_sum(each.lag.incomplete for each in partitions),
        paused=known_sum(each.lag.paused for each in partitions),
        not_due=known_sum(each.lag.not_due for each in partitions),
        hidden=known_sum(each.lag.hidden for each in partitions),
        waited=max((each.waited for each in partitions if each.waited is not None), default=None),
        engine_seconds=known_sum(each.engine_seconds for each in partitions),
    )
