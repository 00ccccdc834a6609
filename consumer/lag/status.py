"""What the lag means: OK, SLOW, STALLED or STOPPED. Pure rules over what is known of one partition.

Lag alone says nothing: a job takes a minute, and a request behind a hundred of them waits long while all is well. So
silence and age are compared with how long a job takes and how many are ahead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FLOOR_SECONDS = 180.0
"""Silence that never means anything: a rebalance, a worker's start or the breaker's probes take as long."""

JOBS = 10
"""Median jobs in a row without a sign of progress: one request may ask for nine pictures, where most ask for one."""

UNMEASURED_SECONDS = 60.0
"""Assumed seconds per job where none was measured."""

GROWTH_SECONDS = 300.0
"""How long the backlog is watched before its growth counts."""


class LagStatus(StrEnum):
    """How a partition, a lane or the group is doing, the best first."""

    OK = "OK"
    SLOW = "SLOW"
    STALLED = "STALLED"
    STOPPED = "STOPPED"

    @property
    def level(self) -> int:
        """The gauge's value: 0 for OK to 3 for STOPPED."""
        return list(LagStatus).index(self)


@dataclass(frozen=True, slots=True)
class BacklogGrowth:
    """Growth of the incomplete records and of the oldest one's age (seconds) within `GROWTH_SECONDS` or more."""

    incomplete: int
    waited: float


@dataclass(frozen=True, slots=True)
class LagFacts:
    """What is known of one partition. None is unknown; times are in seconds.

    `incomplete` records are unfinished and due; the oldest has `waited` that long. `awaited`: somebody waits for this
    lane. `silence` is the time since anything was finished in its shard, `silence_anywhere` in the whole group. `ahead`
    records may be served before its own, and one job takes `job_seconds`. `foreign`: somebody else has committed an
    offset ahead of them. `stuck`: it stands still until an operator decides. `outage`: the shard's worker has committed
    that it cannot work.
    """

    incomplete: int | None
    waited: float | None
    awaited: bool
    members: int | None
    silence: float | None
    silence_anywhere: float | None
    ahead: int = 0
    job_seconds: float | None = None
    growth: BacklogGrowth | None = None
    foreign: bool = False
    stuck: bool = False
    outage: bool = False


def patience(job_seconds: float | None) -> float:
    """Return the seconds without progress, or of waiting, that are still fine."""
    return max(FLOOR_SECONDS, JOBS * (UNMEASURED_SECONDS if job_seconds is None else job_seconds))


def assess(facts: LagFacts) -> LagStatus | None:
    """Return the status, None where too little is known."""
    if facts.stuck or (facts.incomplete and facts.members == 0):
        return LagStatus.STOPPED
    if facts.incomplete is None:
        return None
    if not facts.incomplete:
        return LagStatus.OK
    if facts.outage or (facts.waited is not None and (facts.foreign or _stalled(facts, facts.waited))):
        return LagStatus.STALLED
    if facts.waited is None:
        return None
    return LagStatus.SLOW if facts.awaited and _slow(facts, facts.waited) else LagStatus.OK


def _stalled(facts: LagFacts, waited: float) -> bool:
    """Return whether nothing moved while records waited; a shard never seen to move did not move."""
    bound = patience(facts.job_seconds)
    queue = facts.ahead * (UNMEASURED_SECONDS if facts.job_seconds is None else facts.job_seconds)
    own = waited if facts.silence is None else min(waited, facts.silence)
    anywhere = own if facts.silence_anywhere is None else min(waited, facts.silence_anywhere)
    return anywhere > bound or own > bound + queue


def _slow(facts: LagFacts, waited: float) -> bool:
    bound, growth = patience(facts.job_seconds), facts.growth
    if waited > bound:
        return True
    return growth is not None and growth.incomplete > 0 and growth.waited > 0 and waited > bound / 3


def worst(statuses: Iterable[LagStatus | None]) -> LagStatus | None:
    """Return the worst; None if there are none, or if one is unknown and all others are OK."""
    given = list(statuses)
    known = max((status for status in given if status is not None), key=lambda status: status.level, default=None)
    return None if known is LagStatus.OK and None in given else known
