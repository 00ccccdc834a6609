"""Follows the topics and keeps the board up to date, from its history to now and on."""

import asyncio
import gc
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
TURN = 100
"""Records after which others have their turn: a fetch may have tens of thousands."""


class Feed:
    """Reads the topics. `ready` is set once the board has everything up to the moment it began to read."""

    def __init__(self, settings: Settings, board: Board, broadcast: Broadcast) -> None:
        self.ready = asyncio.Event()
        self._settings = settings
        self._board = board
        self._broadcast = broadcast
        self._bases = {settings.topics.named(base): base for base in FOLLOWED}

    async def run(self) -> None:
        """Follow the topics until cancelled; while no broker answers, ask again. Raises `Fatal`."""
        while True:
            try:
                # From the start, where its seek says nothing: partitions that the topics grow by are read whole.
                async with open_subscriber(self._settings, FOLLOWED, from_start=True) as subscriber:
                    await self._follow(subscriber)
            except BusError as error:
                self.ready.clear()
                log.warning("bus_unavailable", error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, subscriber: CmsSubscriber) -> None:
        since = time.time() - self._settings.gateway.history_days * 86_400
        starts = await subscriber.seek_since(int(since * 1000), [names.PROGRESS])
        read = self._read_so_far()
        subscriber.seek(read)
        self._board.start(
            {Partition(self._bases[at.topic], at.number): offset for at, offset in starts.items() if at not in read}
        )
        ends = await subscriber.ends()
        while await subscriber.is_before(ends):
            await self._take(await subscriber.read(READ_SECONDS))
        await self._settle()
        log.info("gateway_follows", position=self._board.position.encode())
        self.ready.set()
        checked = time.monotonic()
        while True:
            await self._take(await subscriber.read(READ_SECONDS))
            if time.monotonic() - checked > CHECK_SECONDS:
                await self._check(subscriber)
                checked = time.monotonic()

    async def _check(self, subscriber: CmsSubscriber) -> None:
        """Ask where the topics end: without a broker, raise `BusError`."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await subscriber.ends()
        except TimeoutError:
            raise BusError(f"no answer within {CHECK_SECONDS:.0f} s") from None

    def _read_so_far(self) -> dict[Partition, int]:
        """Return where to go on after the connection was lost."""
        named = self._settings.topics.named
        known = {at: self._board.position.next_offset(at) for at in self._board.position}
        return {Partition(named(at.topic), at.number): offset for at, offset in known.items() if offset is not None}

    async def _take(self, records: Iterable[Record]) -> None:
        for number, record in enumerate(records, 1):
            change = self._board.take(record)
            if change is not None:
                self._broadcast.send(change, self._board.position.encode())
            if number % TURN == 0:
                await asyncio.sleep(0)

    async def _settle(self) -> None:
        """Work out what searches look at before the first one waits for it, and spare the collector what stays."""
        for number, article in enumerate(tuple(self._board.articles()), 1):
            article.prepare_search()
            if number % TURN == 0:
                await asyncio.sleep(0)
        gc.freeze()
