"""A schedule: what is asked of a simulated newsroom, and what hits it where. hypothesis draws and shrinks them."""

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


@dataclass(frozen=True)
class Ask:
    """A record that is published: when, where, how long its job takes (seconds) and how it ends.

    `gap` offsets that nobody sees lie before it, as a transactional publisher leaves them. Those of a shard that have a
    `revision` compete: the newest wins.
    """

    at: float
    lane: str
    shard: int
    seconds: float
    ending: Ending
    gap: int
    revision: int = 0


class Blow(Enum):
    """What hits the worker that made a request, or the request itself."""

    KILL = "kill -9, and a new process later"
    STOP = "SIGTERM, and a new process later"
    FREEZE = "SIGSTOP, and SIGCONT later"
    CUT = "no network for a while"
    OUTAGE = "no network for anybody"
    LATE = "this request is that long under way"
    LOST = "this request, or only its answer, gets lost"
    REFUSED = "this record is refused; other requests get lost"
    MISSING = "the offsets' answer is not whole"
    REBALANCE = "the group rebalances"
    SCALE = "another worker joins"


@dataclass(frozen=True)
class Strike:
    """A blow at the `request`-th request to the cluster, `after` seconds as it leaves or is `served`, for `seconds`."""

    request: int
    served: bool
    blow: Blow
    after: float
    seconds: float


@dataclass(frozen=True)
class Schedule:
    """Everything that is not decided by the code under test. `delays` (seconds) are those of the requests, in turn.

    `cancel_revoked` is the worker's setting: whether painting ends when its shard goes to another worker.
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
    )


def _strikes() -> st.SearchStrategy[Any]:
    return st.builds(
        Strike,
        request=st.integers(0, 70),
        served=st.booleans(),
        blow=st.sampled_from([*Blow, Blow.KILL, Blow.FREEZE, Blow.FREEZE, Blow.CUT]),
        after=st.sampled_from([0.0, 0.0, 0.02, 0.4]),
        seconds=st.sampled_from([0.0, 0.3, 1.0, 2.5, 5.0, 9.0]),
    )


def schedules() -> st.SearchStrategy[Schedule]:
    """Draw schedules: one to three workers, one or two shards, up to ten records and six blows."""
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
