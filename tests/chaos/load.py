"""What a cell asks for: a fixed mix of requests, made from the cell's seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import Cms, request_data

REQUESTS = 42
"""In each cell, published in three parts: before, up to, and after the strike."""

ARTICLES = 20
BACKFILL_SHARE = 0.15
INTERACTIVE_SHARE = 0.1
INVALID = 5
"""Of a hundred."""

INVALID_SIZE = 32
SIZES = (64, 80, 96)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what must become of it."""

    id: str
    topic: str
    data: Mapping[str, Any]
    due: str
    """The event type of its one outcome."""

    @property
    def article(self) -> str:
        """The record's key."""
        name: str = self.data["article"]["id"]
        return name

    @property
    def revision(self) -> int:
        """Which of the article's revisions."""
        number: int = self.data["article"]["revision"]
        return number


def make_load(seed: int, steps: int = 2, count: int = REQUESTS, sizes: Sequence[int] = SIZES) -> list[Asked]:
    """Return the requests of a cell: several revisions of some articles, two lanes, about one in twenty invalid."""
    dice = random.Random(seed)
    invalid = set(dice.sample(range(count), count * INVALID // 100))
    made = []
    for number in range(count):
        size = INVALID_SIZE if number in invalid else dice.choice(sizes)
        made.append(_ask(f"{seed:08x}-{number:03}", number, dice, steps, size))
    return made


def _ask(request_id: str, number: int, dice: random.Random, steps: int, size: int) -> Asked:
    urgent = dice.random() < INTERACTIVE_SHARE
    data = request_data(
        f"article-{dice.randrange(ARTICLES)}",
        revision=number + 1,
        output={"width": size, "height": size, "variants": dice.choice((1, 1, 1, 2))},
        generation={"steps": steps},
    )
    if urgent:
        data["priority"] = "interactive"
    topic = names.BACKFILL if dice.random() < BACKFILL_SHARE else names.REQUESTED
    return Asked(request_id, topic, data, names.IMAGE_FAILED if size == INVALID_SIZE else names.IMAGE_READY)


async def publish(desk: Cms, requests: Sequence[Asked]) -> None:
    """Publish them in their order, each acknowledged before the next."""
    for asked in requests:
        event = Event(id=asked.id, source="/cms/chaos", type=names.IMAGE_REQUESTED, data=asked.data)
        headers, value = write(event)
        await desk.publish(asked.article.encode(), value, headers, asked.topic)
