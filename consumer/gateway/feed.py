"""Follows the topics and keeps the board up to date, from its history to now and on."""

import asyncio
import gc
import time
from collections.abc import Sequence

import structlog

from consumer.delivery.ports import Partition
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.bus_link import BusLink, follow_topics
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber
from consumer.settings import Settings
from schemas import names

log = structlog.get_logger(__name__)

FOLLOWED = (names.REQUESTED, names.BACKFILL, names.OUTCOME, names.PROGRESS)
TURN = 100
"""Records after which others have their turn: a fetch may have tens of thousands."""


class Feed:
    """Reads the topics. `link` is ready once the board has everything up to the moment it began to read."""

    def __init__(self, settings: Settings, board: Board, broadcast: Broadcast) -> None:
        self.link = BusLink()
        self._settings = settings
        self._board = board
        self._broadcast = broadcast
        self._bases = {settings.topics.named(base): base for base in FOLLOWED}

    async def run(self) -> None:
        """Follow the topics until cancelled; while no broker answers, ask again. Raises `Fatal`."""
        await follow_topics(self._settings, self.link, FOLLOWED, self)

    async def begin(self, subscriber: CmsSubscriber) -> None:
        """Go on where reading stopped, or at the history's beginning."""
        since = time.time() - self._settings.gateway.history_days * 86_400
        starts = await subscriber.seek_since(int(since * 1000), [names.PROGRESS])
        read = self._read_so_far()
        subscriber.seek(read)
        self._board.start(
            {Partition(self._bases[at.topic], at.number): offset for at, offset in starts.items() if at not in read}
        )

    async def take(self, records: Sequence[Record]) -> None:
        """Show what they change to everybody who listens."""
        for number, record in enumerate(records, 1):
            change = self._board.take(record)
            if change is not None:
                self._broadcast.send(change, self._board.position.encode())
            if number % TURN == 0:
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Work out what searches look at before the first one waits for it, and spare the collector what stays."""
        for number, article in enumerate(tuple(self._board.articles()), 1):
            article.prepare_search()
            if number % TURN == 0:
                await asyncio.sleep(0)
        gc.freeze()
        log.info("gateway_follows", position=self._board.position.encode())

    def _read_so_far(self) -> dict[Partition, int]:
        """Return where to go on after the connection was lost."""
        named = self._settings.topics.named
        known = {at: self._board.position.next_offset(at) for at in self._board.position}
        return {Partition(named(at.topic), at.number): offset for at, offset in known.items() if offset is not None}
