"""The gateway's publisher: opened as soon as Kafka can be reached, and kept through outages."""

import asyncio
from typing import NoReturn, Protocol

from consumer.delivery.ports import BusError
from consumer.gateway.bus_link import BusLink, keep_up
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsPublisher, open_publisher
from consumer.settings import Settings
from schemas.cloudevents import Event


class EventPublisher(Protocol):
    """Publishes, acknowledged by all in-sync replicas."""

    async def publish(self, event: Event) -> Record:
        """Publish a request or a decision; return its record. Raises `BusError`."""

    async def put(self, base: str, key: bytes, value: bytes | None) -> Record:
        """Write a key's value to a compacted topic, by its base name; None forgets it. Raises `BusError`."""


class LinkedPublisher:
    """Publishes to topics as long as their link is up."""

    def __init__(self, publisher: EventPublisher, link: BusLink) -> None:
        self.link = link
        self._publisher = publisher

    async def publish(self, event: Event) -> Record:
        """Publish a request or a decision; return its record. Raises `Problem`, see `BusLink.confirmation`."""
        async with self.link.confirmation():
            return await self._publisher.publish(event)

    async def put(self, base: str, key: bytes, value: bytes | None) -> Record:
        """Write a key's value to a compacted topic, by its base name; None forgets it. Raises `Problem` likewise."""
        async with self.link.confirmation():
            return await self._publisher.put(base, key, value)


class BusPublisher:
    """Publishes once it is open. Its `link` is ready from then on: the client connects again by itself."""

    def __init__(self, settings: Settings) -> None:
        self.link = BusLink()
        self._settings = settings
        self._opened: CmsPublisher | None = None

    async def run(self) -> None:
        """Open it, and keep it open until cancelled. Raises `Fatal`."""
        await keep_up(self.link, self._session)

    async def publish(self, event: Event) -> Record:
        """Publish a request or a decision; return its record. Raises `BusError`."""
        return await self._open().publish(event)

    async def put(self, base: str, key: bytes, value: bytes | None) -> Record:
        """Write a key's value to a compacted topic, by its base name; None forgets it. Raises `BusError`."""
        return await self._open().put(base, key, value)

    def _open(self) -> CmsPublisher:
        if self._opened is None:
            raise BusError("no connection yet")
        return self._opened

    async def _session(self) -> NoReturn:
        async with open_publisher(self._settings) as self._opened:
            self.link.found()
            self.link.caught_up()
            await asyncio.get_running_loop().create_future()
        raise AssertionError("it waits until it is cancelled")
