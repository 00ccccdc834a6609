"""Records as the gateway reads them, and a board of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.gateway.board.board import Board
from consumer.gateway.feed import FOLLOWED
from consumer.jobs import Record
from schemas import names
from schemas.cloudevents import Event, write

SOURCE = "/cms/newsroom"
TOPICS = {base: base for base in FOLLOWED}
PLENTY = 1 << 30


@dataclass
class Topics:
    """Writes records as Kafka would append them, each a second after the last: to one partition of each topic."""

    records: list[Record] = field(default_factory=list)

    def append(self, topic: str, event: Event) -> Record:
        """Append an event."""
        headers, value = write(event)
        offset = sum(record.topic == topic for record in self.records)
        key = (event.subject or "").encode()
        self.records.append(Record(topic, 0, offset, key, value, tuple(headers), 1_000 * (len(self.records) + 1)))
        return self.records[-1]

    def ask(self, request_id: str, data: Mapping[str, Any], **more: str) -> Record:
        """Append a request or a decision; `more`: its `type`, `source` and `topic`."""
        event = Event(
            id=request_id,
            source=more.get("source", SOURCE),
            type=more.get("type", names.IMAGE_REQUESTED),
            subject=str(data["article"]["id"]),
            data=data,
        )
        return self.append(more.get("topic", names.REQUESTED), event)

    def announce(
        self, kind: str, request_id: str, article: str = "a-1", slot: str | None = "hero", **data: Any
    ) -> Record:
        """Append what a worker says of a request; `revision` and `event` (its id) have defaults."""
        revision, event_id = data.pop("revision", 1), data.pop("event", f"{kind}-{request_id}-{slot}")
        said = {"request_id": request_id, "article": {"id": article, "revision": revision}, "slot": slot, **data}
        event = Event(
            id=event_id,
            source="/leadart/test",
            type=f"{names.TYPE_PREFIX}{kind}.v1",
            subject=article,
            extensions={"causationid": request_id},
            data=said,
        )
        return self.append(names.PROGRESS if kind == "progress" else names.OUTCOME, event)


def save(article: str = "a-1", revision: int = 1, slot: str = "hero", **facts: Any) -> dict[str, Any]:
    """Return a save's data."""
    return {"article": {"id": article, "revision": revision, "headline": "Storm", **facts}, "output": {"slot": slot}}


def decision(article: str = "a-1", slot: str | None = "hero", **more: Any) -> dict[str, Any]:
    """Return an editor's decision about a slot; None: about all."""
    return {"article": {"id": article, "revision": 1}, "slot": slot, **more}


def pictures(*digests: str) -> list[dict[str, Any]]:
    """Return pictures as an outcome lists them."""
    return [{"index": index, "sha256": digest, "key": f"pictures/{digest}"} for index, digest in enumerate(digests)]


def board_of(records: Iterable[Record], most_bytes: int = PLENTY, history_days: float = 36_500) -> Board:
    """Return a board that read these records."""
    board = Board(most_bytes, TOPICS, history_days)
    for record in records:
        board.take(record)
    return board


def view(board: Board) -> list[Any]:
    """Return all that a board says, the articles in its order."""
    return [
        (
            article.summary(),
            [article.slot(slot) for slot in article.slots],
            [image.details() for image in article.images.values()],
            sorted(article.states),
            article.search_text,
        )
        for article in board.articles()
    ]
