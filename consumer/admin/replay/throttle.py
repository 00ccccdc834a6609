"""How fast a replay goes: so many records a second, and no more in the lane than its workers paint in a while."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from consumer.delivery.batch_limit import MAX_BATCH_RECORDS
from consumer.errors import Fatal
from schemas import Reason
from schemas.names import BACKFILL

if TYPE_CHECKING:
    from consumer.lag.reader import LagReader
    from consumer.settings import Settings

_RATE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?:/([smhd]))?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

LOOK_AGAIN_SECONDS = 0.5
"""Between two looks at a lane that is full."""


def parse_rate(text: str) -> float:
    """Read records a second: `50`, `50/s`, `600/m`, `1000/h`. Raises `ValueError`."""
    found = _RATE.fullmatch(text)
    rate = float(found[1]) / _SECONDS[found[2]] if found else 0.0
    if not rate:
        raise ValueError(f"{text[:40]!a} is no rate: write records a second such as 50/s, or 600/m, 1000/h.")
    return rate


class Capacity(Protocol):
    """Says how many more records the lane may take now."""

    async def room(self) -> int:
        """Return how many, at least 0. Raises `BusError`; `Fatal` when that cannot be known."""


@dataclass(frozen=True, slots=True)
class BacklogLimit:
    """The lane's backlog, bounded in seconds of painting.

    `record_seconds`: how long the devices together take for a record.
    """

    settings: Settings
    reader: LagReader
    record_seconds: float
    bound_seconds: float

    async def room(self) -> int:
        """Return how many records bring the backlog to its bound; an empty lane always takes one."""
        lane = self.settings.topics.named(BACKFILL)
        lags = [lag for lag in (await self.reader.read(outcomes=False)).partitions if lag.topic == lane]
        behind = 0
        for lag in lags:
            if lag.records is None:
                raise Fatal(
                    Reason.NO_STARTING_OFFSET,
                    f"How far the group is behind in {lane} is unknown, so its backlog cannot be bounded: it has no "
                    f"offset in partition {lag.partition}. Set one: leadart topics apply --start earliest.",
                )
            behind += lag.records if lag.incomplete is None else lag.incomplete
            behind += lag.hidden or 0  # our own last transaction, as long as the broker only says that it is committed
        most = int(self.bound_seconds / self.record_seconds) if self.record_seconds else MAX_BATCH_RECORDS + behind
        return max(0, max(1, most) - behind)


class Throttle:
    """Grants records. `rate` is records a second, None: as fast as Kafka takes them."""

    def __init__(self, rate: float | None = None, backlog: Capacity | None = None) -> None:
        self._rate = rate
        self._backlog = backlog
        self._next = 0.0

    @property
    def batch(self) -> int:
        """Records of one transaction: at most a second's worth."""
        return MAX_BATCH_RECORDS if self._rate is None else max(1, min(MAX_BATCH_RECORDS, int(self._rate)))

    async def grant(self) -> int:
        """Wait until records may go, and return how many, at most `batch`. Without a bound: the lane has to drain."""
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        if self._backlog is None:
            return self.batch
        while True:
            if room := await self._backlog.room():
                return min(self.batch, room)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    def spent(self, records: int) -> None:
        """So many went; the next have to wait for their turn."""
        if self._rate is not None:
            self._next = max(self._next, time.monotonic()) + records / self._rate
