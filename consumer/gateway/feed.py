"""Follows the topics and keeps the board up to date, from its history to now and on."""

import asyncio
import time
from collections.abc import Iterable

import structlog

from consumer.delivery.ports import BusError, Partition
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber, open_subscriber
from consumer.settings import Settings
from schemas import names

log = structlog.get_logger(__name__)

FOLLOWED = (names.REQUESTED, names.BACKFILL, names.OUTCOME, names.PROGRESS)
READ_SECONDS = 0.5
CHECK_SECONDS = 5.0
"""How often the topics' ends are asked for: a client that hears nothing cannot know whether there is a broker."""
AGAIN_SECONDS = 2.0


class Feed:
    """Reads the topics. `ready` is set once the board has everything up to the moment it began to read."""

    def __init__(self, settings: Settings, board: Board, broadcast: Broadcast) -> None:
        self.ready = asyncio.Event()
        self._settings = settings
        self._board = board
        self._broadcast = broadcast

    async def run(self) -> None:
        """Follow the topics until cancelled; while no broker answers, ask again. Raises `Fatal`."""
        while True:
            try:
                async with open_subscriber(self._settings, FOLLOWED) as subscriber:
                    await self._follow(subscriber)
            except BusError as error:
                self.ready.clear()
                log.warning("bus_unavailable", error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, subscriber: CmsSubscriber) -> None:
        since = time.time() - self._settings.gateway.history_days * 86_400
        await subscriber.seek_since(int(since * 1000), [names.PROGRESS])
        subscriber.seek(self._read_so_far())
        ends = await subscriber.ends()
        while await subscriber.is_before(ends):
            self._take(await subscriber.read(READ_SECONDS))
        log.info("gateway_follows", position=self._board.position.encode())
        self.ready.set()
        checked = time.monotonic()
        while True:
            self._take(await subscriber.read(READ_SECONDS))
            if time.monotonic() - checked > CHECK_SECONDS:
                await subscriber.ends()
                checked = time.monotonic()

    def _read_so_far(self) -> dict[Partition, int]:
        """Return where to go on after the connection was lost."""
        named = self._settings.topics.named
        known = {at: self._board.position.next_offset(at) for at in self._board.position}
        return {Partition(named(at.topic), at.number): offset for at, offset in known.items() if offset is not None}

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            change = self._board.take(record)
            if change is not None:
                self._broadcast.send(change, self._board.position.encode())
