"""A long backlog: records that cost the worker little, so that a hundred thousand of them take minutes, not days."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.kafka.cms_client import open_subscriber
from schemas import names
from schemas.cloudevents import Event, write
from tests.chaos.load import Asked
from tests.support.harness import Cms, Site, request_data

RECIPES = 20
REUSED_EVERY = 5
BACKFILL_EVERY = 4
IN_FLIGHT = 2_000
QUIET_SECONDS = 60.0


@dataclass
class Tally:
    """What was heard of the backlog's records, in the order in which it was heard."""

    requests: Counter[str] = field(default_factory=Counter)
    _heard: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def hear(self, partition: int, request_id: str) -> None:
        """Take note of an outcome."""
        self.requests[request_id] += 1
        kind, _, number = request_id.partition("-")
        if kind == "lag":
            self._heard[_lane(int(number)), partition].append(int(number))

    @property
    def doubled(self) -> int:
        """Outcomes beyond a request's first."""
        return self.requests.total() - len(self.requests)

    @property
    def displaced(self) -> int:
        """How many places of its lane's partition an outcome was away from its record's, at most."""
        return max(
            abs(place - turn)
            for numbers in self._heard.values()
            for place, turn in enumerate(sorted(range(len(numbers)), key=numbers.__getitem__))
        )


def backlog(count: int) -> tuple[list[Asked], list[Asked]]:
    """Return requests that make some pictures, and the backlog: a fifth asks for these again, the rest is invalid."""
    warm = [_ask(f"warm-{number}", number, names.REQUESTED, invalid=False) for number in range(RECIPES)]
    records = [
        _ask(f"lag-{number}", number, _lane(number), invalid=bool(number % REUSED_EVERY)) for number in range(count)
    ]
    return warm, records


async def publish_all(desk: Cms, records: Sequence[Asked]) -> None:
    """Publish them in their order, many at a time."""
    for first in range(0, len(records), IN_FLIGHT):
        sent = []
        for asked in records[first : first + IN_FLIGHT]:
            headers, value = write(Event(id=asked.id, source="/cms/chaos", type=names.IMAGE_REQUESTED, data=asked.data))
            topic = desk.site.topic(asked.topic)
            sent.append(await desk.producer.send(topic, value, key=asked.article.encode(), headers=headers))
        await asyncio.gather(*sent)


async def drain(site: Site, due: int) -> Tally:
    """Listen until so many requests were answered, or nothing more was heard for a minute."""
    tally, heard = Tally(), time.monotonic()
    async with open_subscriber(site.settings, [names.OUTCOME], from_start=True) as subscriber:
        while len(tally.requests) < due and time.monotonic() < heard + QUIET_SECONDS:
            for record in await subscriber.read(0.5):
                heard = time.monotonic()
                tally.hear(record.partition, json.loads(record.value or b"")["request_id"])
    return tally


def _lane(number: int) -> str:
    return names.REQUESTED if number % BACKFILL_EVERY else names.BACKFILL


def _ask(request_id: str, number: int, topic: str, *, invalid: bool) -> Asked:
    output = {"width": 5000 if invalid else 64, "height": 64}
    data = request_data(f"article-{number % RECIPES}", revision=number // RECIPES + 1, output=output)
    return Asked(request_id, topic, data, names.IMAGE_FAILED if invalid else names.IMAGE_READY)
