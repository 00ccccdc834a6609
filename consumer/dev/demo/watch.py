"""Publish an edition, watch until each save has its outcome, and fetch the pictures."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import aiohttp

from consumer.dev.demo.downloads import download
from consumer.dev.demo.screen import DemoScreen
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsPublisher, CmsSubscriber

_LISTEN_SECONDS = 0.2


class EditionRun:
    """One run of an edition: fills the desk, and events.jsonl and pictures/ in `folder`."""

    def __init__(
        self, desk: EditionDesk, screen: DemoScreen, publisher: CmsPublisher, subscriber: CmsSubscriber, folder: Path
    ) -> None:
        self._desk = desk
        self._screen = screen
        self._publisher = publisher
        self._subscriber = subscriber
        self._journal = EventJournal(folder / "events.jsonl")
        self._pictures = folder / "pictures"

    async def until_all_is_answered(self, check: Callable[[], None], silence_seconds: float) -> None:
        """Publish and listen until every save has an outcome, or nothing was heard for `silence_seconds`.

        `check` is called repeatedly and may raise to end the wait. Raises `BusError`.
        """
        heard = monotonic()
        while self._desk.waiting and monotonic() - heard < silence_seconds:
            for ticket in self._desk.due():
                ticket.published = monotonic()
                await self._publisher.publish(ticket.save.event)
                self._screen.changed(ticket)
            records = await self._subscriber.read(_LISTEN_SECONDS)
            heard = monotonic() if records else heard
            for record in records:
                self._take(record)
            check()

    async def to_the_end(self) -> None:
        """Read what is left on the topics, then fetch the pictures. Raises `BusError`."""
        for record in await self._subscriber.read_to_end():
            self._take(record)
        async with aiohttp.ClientSession() as client:
            await asyncio.gather(*(self._fetch(client, ticket) for ticket in self._desk.tickets))

    def _take(self, record: Record) -> None:
        self._journal.enter(record)
        ticket = self._desk.take(record)
        if ticket:
            self._screen.changed(ticket)

    async def _fetch(self, client: aiohttp.ClientSession, ticket: SaveTicket) -> None:
        pictures = ticket.ready.pictures if ticket.ready else ()
        ticket.downloads += [await download(client, picture, self._pictures) for picture in pictures]


class EventJournal:
    """Appends records to a file as they arrive, so that an interrupted run leaves what it saw."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_text("", encoding="utf-8")

    def enter(self, record: Record) -> None:
        """Append one record."""
        with self._file.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(_line(record), ensure_ascii=False) + "\n")


def _line(record: Record) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
        "data": _data(record.value),
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")


def _data(value: bytes | None) -> object:
    """Return the value as JSON if it is valid, else as text: a dead letter may hold anything."""
    try:
        return json.loads(value or b"")
    except ValueError:
        return _text(value)
