"""All articles that the topics tell of, within bounds of time and memory."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consumer.delivery.ports import Partition
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.image import BoardImage, RecordPlace
from consumer.gateway.board.pictures import AnnouncedPictures, Files
from consumer.gateway.board.position import StreamPosition
from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from schemas import ContractError, names
from schemas.cloudevents import Event, read
from schemas.salvage import salvage

REQUEST_TOPICS = frozenset({names.REQUESTED, names.BACKFILL})

_PARSED = 4
"""Memory of a parsed record, in times of its bytes."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a record changed: `image` has a new state, or only further `progress`."""

    kind: str
    article: BoardArticle
    image: BoardImage


class Board:
    """The read model. Records may come again and in any order of topics; each counts once."""

    def __init__(self, most_bytes: int, topics: Mapping[str, str]) -> None:
        """Take the topics by name, each with its base name."""
        self.position = StreamPosition()
        self._articles: OrderedDict[str, BoardArticle] = OrderedDict()
        self._by_request: dict[str, list[BoardImage]] = {}
        self._pictures = AnnouncedPictures()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._bases = topics

    def article(self, article_id: str) -> BoardArticle | None:
        """Return an article."""
        return self._articles.get(article_id)

    def articles(self) -> Iterator[BoardArticle]:
        """Return all articles, the latest changed first."""
        return iter(reversed(self._articles.values()))

    def images(self, request_id: str) -> list[BoardImage]:
        """Return the requests with this event id: of different sources there may be several."""
        return self._by_request.get(request_id, [])

    def picture(self, sha256: str) -> Files | None:
        """Return a picture's files; none if it is withdrawn, None if no outcome that is kept here announced it."""
        return self._pictures.find(sha256)

    def take(self, record: Record) -> Change | None:
        """Take a record as it was read; return what it changed."""
        base = self._bases.get(record.topic, "")
        partition = Partition(base, record.partition)
        if base == names.PROGRESS:
            return self._report(record)
        if self.position.has(partition, record.offset):
            return None
        self.position.advance(partition, record.offset)
        return self.take_early(record) if base in REQUEST_TOPICS else self._announce(record)

    def take_early(self, record: Record) -> Change | None:
        """Take a request that was just published and will be read again."""
        known = salvage(record.key, record.headers, record.value)
        article_id, request_id = known.article_id, known.request_id
        if article_id is None or request_id is None:
            return None
        article = self._article(article_id, known.source or "")
        earlier = article.images.get(request_id)
        if earlier is not None and earlier.is_asked:
            return None
        event = _event(record)
        image = BoardImage(
            id=request_id,
            article=article_id,
            slot=known.slot,
            source=known.source or "",
            event_type=event.type if event else names.IMAGE_REQUESTED,
            revision=known.revision,
            asked_ms=record.timestamp_ms,
            place=RecordPlace(Partition(self._bases[record.topic], record.partition), record.offset),
            request=_data(event),
            outcomes=earlier.outcomes if earlier else {},
        )
        self._add(article, image)
        if image.event_type == names.IMAGE_REQUESTED and isinstance(image.request.get("article"), dict):
            article.facts = {**article.facts, **image.request["article"]}
        self._touch(article, record)
        return Change("image", article, image)

    def _announce(self, record: Record) -> Change | None:
        outcome = parse_announced(record)
        if outcome is None:
            return None
        article = self._article(outcome.article, "")
        image = article.images.get(outcome.request_id) or self._unasked(article, outcome)
        image.take(outcome)
        self._pictures.take(article.id, outcome)
        self._touch(article, record)
        return Change("image", article, image)

    def _report(self, record: Record) -> Change | None:
        progress = parse_announced(record)
        article = self._articles.get(progress.article) if progress else None
        image = article.images.get(progress.request_id) if article and progress else None
        if article is None or image is None or progress is None or image.outcomes:
            return None
        image.report(progress.data)
        return Change("progress", article, image)

    def _unasked(self, article: BoardArticle, outcome: AnnouncedEvent) -> BoardImage:
        """Return an image for an outcome whose request is older than what is read."""
        slot = outcome.data.get("slot")
        image = BoardImage(
            id=outcome.request_id,
            article=article.id,
            slot=slot if isinstance(slot, str) else None,
            source=article.source,
            event_type=names.IMAGE_REQUESTED,
            revision=outcome.revision,
            asked_ms=outcome.record.timestamp_ms,
            place=RecordPlace(Partition(names.OUTCOME, outcome.record.partition), outcome.record.offset),
            request={},
        )
        self._add(article, image)
        return image

    def _add(self, article: BoardArticle, image: BoardImage) -> None:
        """Add an image, or put it in the place of the one that its outcome stood for."""
        others = [each for each in self._by_request.get(image.id, []) if each is not article.images.get(image.id)]
        self._by_request[image.id] = [*others, image]
        article.images[image.id] = image

    def _article(self, article_id: str, source: str) -> BoardArticle:
        article = self._articles.setdefault(article_id, BoardArticle(article_id, source))
        article.source = article.source or source
        return article

    def _touch(self, article: BoardArticle, record: Record) -> None:
        article.updated_ms = max(article.updated_ms, record.timestamp_ms)
        added = _PARSED * len(record.value or b"")
        article.bytes_ += added
        self._bytes += added
        self._articles.move_to_end(article.id)
        while self._bytes > self._most_bytes and len(self._articles) > 1:
            self._let_go(*self._articles.popitem(last=False))

    def _let_go(self, _article_id: str, article: BoardArticle) -> None:
        self._bytes -= article.bytes_
        self._pictures.forget(article.id)
        for image in article.images.values():
            rest = [each for each in self._by_request[image.id] if each is not image]
            if rest:
                self._by_request[image.id] = rest
            else:
                del self._by_request[image.id]


def _event(record: Record) -> Event | None:
    try:
        return read(record.headers, record.value)
    except ContractError:
        return None


def _data(event: Event | None) -> Mapping[str, Any]:
    return event.data if event is not None and isinstance(event.data, dict) else {}
