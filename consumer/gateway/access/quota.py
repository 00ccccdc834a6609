"""How many pictures a source may ask for on a day (UTC), counted from what is on the bus, however it got there."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from consumer.gateway.access.principal import Principal
from consumer.gateway.board.board import Board
from consumer.gateway.problems import Problem
from schemas import names

RECOUNT_SECONDS = 30.0
"""How long what others published meanwhile may go uncounted."""


def _now() -> datetime:
    return datetime.now(UTC)


class DailyQuota:
    """Counts pictures. `most`: those of each source, None for no limit; `now`: the time, in UTC."""

    def __init__(self, board: Board, most: int | None, now: Callable[[], datetime] = _now) -> None:
        self._board = board
        self._most = most
        self._now = now
        self._counted: Counter[str] = Counter()
        self._counted_at = datetime.min.replace(tzinfo=UTC)
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def reserved(self, principal: Principal, pictures: int) -> Iterator[None]:
        """Count pictures that are published meanwhile; not if that fails. Raises `Problem` 429 if they are too many."""
        own = principal.limits.pictures_per_day
        most = own if own is not None else self._most
        if most is None:
            yield
            return
        source = principal.source
        self._recount()
        if self._counted[source] + self._under_way[source] + pictures > most:
            raise self._exceeded(most)
        self._under_way[source] += pictures
        try:
            yield
            self._counted[source] += pictures
        finally:
            self._under_way[source] -= pictures

    def _exceeded(self, most: int) -> Problem:
        now = self._now()
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return Problem(
            429,
            "quota_exceeded",
            f"This source may ask for {most} pictures a day, and that would be more: the next day begins at 00:00 UTC.",
            retry_after=math.ceil((tomorrow - now).total_seconds()),
        )

    def _recount(self) -> None:
        now = self._now()
        same_day = now.date() == self._counted_at.date()
        if same_day and (now - self._counted_at).total_seconds() < RECOUNT_SECONDS:
            return
        midnight_ms = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
        self._counted_at = now
        self._counted = Counter()
        for article in self._board.articles():
            for image in article.images.values():
                asked = image.asked
                if asked and asked.event_type == names.IMAGE_REQUESTED and image.asked_ms >= midnight_ms:
                    self._counted[asked.source] += 1 if image.variants is None else image.variants
