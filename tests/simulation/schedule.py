"""A schedule: what a simulated newsroom publishes, and which faults strike where. hypothesis draws and shrinks them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hypothesis import strategies as st

REQUESTED, RETRY, BACKFILL = LANES = ("requested", "retry", "backfill")


class Ending(Enum):
    """What a record causes when its job is done."""

    READY = "an outcome"
    FAILED = "an outcome and a dead letter"
    RETRIED = "a record of the retry lane, whose job is an outcome"
    REFUSED = "an outcome that the broker never takes, and a short one instead"
    POISON = "the end of its process, as often as it enters the engine"


class Decision(Enum):
    """What an editor decides about the slot that the records of a shard compete for."""

    CHOICE = "a picture is chosen, unless the slot is withdrawn"
    DOWN = "the slot is withdrawn"
    UP = "the slot is restored"


@dataclass(frozen=True)
class Ask:
    """A published record: when and where, how long its job takes (seconds), and how it ends.

    `gap` invisible offsets lie before it, as a transactional publisher leaves them. Records of a shard that have a
    `revision` compete: the newest wins. An operator may pause or call off a `section`.
    One with a `decision` is no request, and comes by the first lane.
    """

    at: float
    lane: str
    shard: int
    seconds: float
    ending: Ending
    gap: int
    revision: int = 0
    section: str = "a"
    decision: Decision | None = None

    @property
    def by(self) -> str:
        """The lane by which it comes."""
        return self.lane if self.decision is None else REQUESTED


class Fault(Enum):
    """A fault that strikes the worker that sent a request, or the request itself."""

    KILL = "kill -9, and a new process later"
    STOP = "SIGTERM, and a new process later"
    FREEZE = "SIGSTOP, and SIGCONT later"
    CUT = "no network for a while"
    OUTAGE = "no network for any worker"
    LATE = "this request takes that long"
    LOST = "this request, or only its answer, gets lost"
    REFUSED = "this record is refused; other requests get lost"
    MISSING = "the answer with the offsets is incomplete"
    REBALANCE = "the group rebalances"
    SCALE = "another worker joins"
    PAUSE = "an operator pauses the backfill, and resumes it later"
    PAUSE_SECTION = "an operator pauses section a, and resumes it later"
    CANCEL = "an operator calls off what is queued of section a"
    UNABLE = "it cannot work for a while, and is out of the group until then"


@dataclass(frozen=True)
class Strike:
    """A fault at the `request`-th request: `after` seconds past its sending (or its answer, if `served`).

    `seconds`: how long it lasts.
    """

    request: int
    served: bool
    fault: Fault
    after: float
    seconds: float


@dataclass(frozen=True)
class Schedule:
    """Everything the code under test does not decide. `delays` (seconds) are those of the requests, in turn.

    `cancel_revoked` is the worker's setting: whether painting ends when its shard moves to another worker.
    """

    workers: int
    shards: int
    cancel_revoked: bool
    asks: tuple[Ask, ...]
    strikes: tuple[Strike, ...]
    marker_seconds: float
    delays: tuple[float, ...]

    @property
    def numbered(self) -> dict[bytes, Ask]:
        """The asks by the value that their records carry."""
        return {b"%d" % number: ask for number, ask in enumerate(self.asks)}


def _asks() -> st.SearchStrategy[Any]:
    return st.builds(
        Ask,
        at=st.integers(0, 30).map(lambda tenths: tenths / 5),
        lane=st.sampled_from([REQUESTED, REQUESTED, BACKFILL]),
        shard=st.integers(0, 1),
        seconds=st.sampled_from([0.0, 0.1, 0.5, 2.0, 6.0]),
        ending=st.sampled_from([Ending.READY, Ending.READY, Ending.READY, *Ending]),
        gap=st.sampled_from([0, 0, 1, 3]),
        revision=st.sampled_from([0, 0, 1, 2, 3, 4]),
        section=st.sampled_from(["a", "b"]),
        decision=st.sampled_from([None, None, None, None, None, *Decision, Decision.CHOICE]),
    )


def _strikes() -> st.SearchStrategy[Any]:
    return st.builds(
        Strike,
        request=st.integers(0, 70),
        served=st.booleans(),
        fault=st.sampled_from([*Fault, Fault.KILL, Fault.FREEZE, Fault.FREEZE, Fault.CUT]),
        after=st.sampled_from([0.0, 0.0, 0.02, 0.4]),
        seconds=st.sampled_from([0.0, 0.3, 1.0, 2.5, 5.0, 9.0]),
    )


def schedules() -> st.SearchStrategy[Schedule]:
    """Draw schedules: one to three workers, one or two shards, up to ten records and six faults."""
    return st.builds(
        Schedule,
        workers=st.integers(1, 3),
        shards=st.integers(1, 2),
        cancel_revoked=st.booleans(),
        asks=st.lists(_asks(), min_size=1, max_size=10).map(tuple),
        strikes=st.lists(_strikes(), max_size=6).map(tuple),
        marker_seconds=st.sampled_from([0.0, 0.03, 0.3]),
        delays=st.lists(st.sampled_from([0.0, 0.01, 0.05, 0.3]), min_size=1, max_size=4).map(tuple),
    )
