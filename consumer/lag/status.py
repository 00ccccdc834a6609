"""What the lag means: OK, SLOW, STALLED or STOPPED. Pure rules over what is known of one partition.

Lag alone says nothing: a job takes a minute, and whoever waits behind a hundred of them waits long while all is well.
So silence is held against how long a job takes and how many are ahead, and age against the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOOR_SECONDS = 180.0
"""Silence that never means anything: a rebalance, a worker that starts, a breaker's probes take as long."""

JOBS = 10
"""Median jobs in a row without a sign of progress: one request may ask for nine pictures, where most ask for one."""

UNMEASURED_SECONDS = 60.0
"""What a job is taken to last where none was measured."""

GROWTH_SECONDS = 300.0
"""How long the backlog is watched before its growth counts."""


class Verdict(StrEnum):
    """How a partition, a lane or the group is doing, the best first."""

    OK = "OK"
    SLOW = "SLOW"
    STALLED = "STALLED"
    STOPPED = "STOPPED"

    @property
    def level(self) -> int:
        """0 for OK up to 3 for STOPPED, as the gauge tells it."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the incomplete records and the age of the oldest (seconds) grew within `GROWTH_SECONDS` or more."""

    incomplete: int
    waited: float


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one partition. None is unknown; times are in seconds.

    `incomplete` records are unfinished and due; the oldest has `waited` so long. `awaited`: somebody waits for this
    lane. `silence` is the time since anything was finished in its shard, `silence_anywhere` in the whole group.
    `ahead` are the records that may be served before its own, `job_seconds` is what one takes.
    """

    incomplete: int | None
    waited: float | None
    awaited: bool
    members: int | None
    silence: float | None
    silence_anywhere: float | None
    ahead: int = 0
    job_seconds: float | None = None
    growth: Growth | None = None


def patience(job_seconds: float | None) -> float:
    """Return the seconds without progress, or of waiting, that are still well."""
    return max(FLOOR_SECONDS, JOBS * (UNMEASURED_SECONDS if job_seconds is None else job_seconds))


def judge(case: Case) -> Verdict | None:
    """Return the verdict, None where too little is known for one."""
    if case.incomplete is None:
        return None
    if not case.incomplete:
        return Verdict.OK
    if case.members == 0:
        return Verdict.STOPPED
    if case.waited is None:
        return None
    if _stalled(case, case.waited):
        return Verdict.STALLED
    return Verdict.SLOW if case.awaited and _slow(case, case.waited) else Verdict.OK


def _stalled(case: Case, waited: float) -> bool:
    """Say whether work that was there all the time did not move. Where nothing was ever seen to move, that is so."""
    bound = patience(case.job_seconds)
    queue = case.ahead * (UNMEASURED_SECONDS if case.job_seconds is None else case.job_seconds)
    own = waited if case.silence is None else min(waited, case.silence)
    anywhere = own if case.silence_anywhere is None else min(waited, case.silence_anywhere)
    return anywhere > bound or own > bound + queue


def _slow(case: Case, waited: float) -> bool:
    bound, growth = patience(case.job_seconds), case.growth
    if waited > bound:
        return True
    return growth is not None and growth.incomplete > 0 and growth.waited > 0 and waited > bound / 3


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """Return the worst; None if there are none, or if any is unknown and the others are well."""
    told = list(verdicts)
    known = max((verdict for verdict in told if verdict is not None), key=lambda verdict: verdict.level, default=None)
    return None if known is Verdict.OK and None in told else known
