"""How many requests a second a source may send: a token bucket for each, and for each key with a rate of its own."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from consumer.gateway.access.principal import Principal
from consumer.gateway.problems import Problem

BURST_SECONDS = 2.0
"""How much of its rate a source may save up."""
MOST_BUCKETS = 10_000
"""Sources may come from an issuer's tokens: the one that was idle for longest is forgotten, and starts anew."""


@dataclass(slots=True)
class TokenBucket:
    """Fills at `rate` a second up to its burst; a request takes one."""

    rate: float
    filled: float
    at: float

    @property
    def burst(self) -> float:
        """Requests that may come at once."""
        return max(1.0, self.rate * BURST_SECONDS)

    def take(self, now: float) -> float:
        """Take one; return 0, or the seconds until there is one."""
        self.filled = min(self.burst, self.filled + (now - self.at) * self.rate)
        self.at = now
        if self.filled < 1.0:
            return (1.0 - self.filled) / self.rate
        self.filled -= 1.0
        return 0.0


class CallerRates:
    """Counts requests. `rate`: that of each source, None for no limit; `clock`: monotonic seconds."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def check(self, principal: Principal) -> None:
        """Count a request. Raises `Problem` 429 if it comes too soon."""
        own = principal.limits.requests_per_second
        rate = own if own is not None else self._rate
        if rate is None:
            return
        seconds = self._bucket(f"key {principal.key_id}" if own else f"source {principal.source}", rate).take(
            self._clock()
        )
        if seconds > 0:
            raise Problem(
                429,
                "too_many_requests",
                f"More than {rate:g} requests a second: wait as Retry-After says.",
                retry_after=math.ceil(seconds),
            )

    def _bucket(self, name: str, rate: float) -> TokenBucket:
        bucket = self._buckets.pop(name, None)
        if bucket is None or bucket.rate != rate:
            bucket = TokenBucket(rate, max(1.0, rate * BURST_SECONDS), self._clock())
        self._buckets[name] = bucket
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket
