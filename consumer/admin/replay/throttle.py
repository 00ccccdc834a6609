"""How fast a replay publishes: at most `rate` records per second, and no more than workers paint in a given time."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.delivery.batch_limit import MAX_BATCH_RECORDS
from consumer.errors import Fatal
from consumer.lag.reader import LagReader
from consumer.settings import Settings
from schemas import Reason
from schemas.names import BACKFILL

_RATE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?:/([smhd]))?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

POLL_SECONDS = 0.5
"""Time between two looks at a full lane."""


def parse_rate(text: str) -> float:
    """Return records per second from `50`, `50/s`, `600/m` or `1000/h`. Raises `ValueError`."""
    match = _RATE.fullmatch(text)
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if not rate:
        raise ValueError(f"{text[:40]!a} is not a rate: write records per second, such as 50/s, or 600/m, 1000/h.")
    return rate


class Capacity(Protocol):
    """How much the lane may still take."""

    async def remaining(self) -> int:
        """Return how many more records the lane may take now. Raises `BusError`; `Fatal` when that is unknowable."""


@dataclass(frozen=True, slots=True)
class BacklogLimit:
    """Limits the lane's backlog to `max_seconds` of painting.

    `record_seconds`: the time that all devices together take for a record.
    """

    settings: Settings
    reader: LagReader
    record_seconds: float
    max_seconds: float

    async def remaining(self) -> int:
        """Return how many records bring the backlog to its limit; an empty lane always takes one."""
        lane = self.settings.topics.named(BACKFILL)
        lags = [lag for lag in (await self.reader.read(outcomes=False)).partitions if lag.topic == lane]
        backlog = 0
        for lag in lags:
            if lag.records is None:
                raise Fatal(
                    Reason.NO_STARTING_OFFSET,
                    f"The backlog of {lane} cannot be limited, because it is unknown: the group has no offset in "
                    f"partition {lag.partition}. Set one: leadart topics apply --start earliest.",
                )
            backlog += lag.records if lag.incomplete is None else lag.incomplete + (lag.paused or 0)
            backlog += lag.hidden or 0  # our own last transaction, until the broker shows what it has committed
        limit = int(self.max_seconds / self.record_seconds) if self.record_seconds else MAX_BATCH_RECORDS + backlog
        return max(0, max(1, limit) - backlog)


class Throttle:
    """Grants records. `rate` is records per second; None: as fast as Kafka takes them."""

    def __init__(self, rate: float | None = None, capacity: Capacity | None = None) -> None:
        self._rate = rate
        self._capacity = capacity
        self._next = 0.0

    @property
    def batch(self) -> int:
        """Records of one transaction: at most those of one second."""
        return MAX_BATCH_RECORDS if self._rate is None else max(1, min(MAX_BATCH_RECORDS, int(self._rate)))

    async def acquire(self) -> int:
        """Wait until records may be published, and return how many, at most `batch`.

        The wait is unbounded: workers have to drain the lane.
        """
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        if self._capacity is None:
            return self.batch
        while True:
            if remaining := await self._capacity.remaining():
                return min(self.batch, remaining)
            await asyncio.sleep(POLL_SECONDS)

    def spend(self, records: int) -> None:
        """Delay the next grant by the time that these records take at the rate."""
        if self._rate is not None:
            self._next = max(self._next, time.monotonic()) + records / self._rate
