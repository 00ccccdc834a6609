"""All articles that the topics tell of, within bounds of time and memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consumer.delivery.ports import Partition
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.image import AskedEvent, BoardImage, slot_of
from consumer.gateway.board.pictures import AnnouncedPictures, Files
from consumer.gateway.board.position import StreamPosition
from consumer.gateway.board.soundness import is_sound
from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from schemas import ContractError, names
from schemas.cloudevents import Event, read
from schemas.salvage import Salvage, salvage

REQUEST_TOPICS = frozenset({names.REQUESTED, names.BACKFILL})

_PARSED = 4
"""Memory of a parsed record, in times of its bytes."""
_KEPT = 0.9
"""Share of the memory that is left in use when it ran out."""
_EXPIRIES = 500
"""How often old articles are looked for in the time of the history: each time all articles are put in order."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a record changed: `image` has a new state (in `slot`, if it has one for each), or only more `progress`."""

    kind: str
    article: BoardArticle
    image: BoardImage
    slot: str | None = None


class Board:
    """The read model. Records may come again and in any order of topics: the same ones give the same board."""

    def __init__(self, most_bytes: int, topics: Mapping[str, str], history_days: float = 36_500) -> None:
        """Take the topics by name, each with its base name."""
        self.position = StreamPosition()
        self.begins = StreamPosition()
        """Before this position records are missing: older than the history, or let go."""
        self._articles: dict[str, BoardArticle] = {}
        self._by_request: dict[str, list[BoardImage]] = {}
        self._pictures = AnnouncedPictures()
        self._most_bytes = most_bytes // _PARSED
        self._bytes = 0
        self._bases = topics
        self._history_ms = int(history_days * DAY_MS)
        self._let_go_ms = 0
        self._next_expiry_ms = 0
        self._newest_first: list[BoardArticle] | None = None
        self._early: set[tuple[Partition, int]] = set()

    def article(self, article_id: str) -> BoardArticle | None:
        """Return an article."""
        return self._articles.get(article_id)

    def articles(self) -> Iterable[BoardArticle]:
        """Return all articles, the latest changed first."""
        if self._newest_first is None:
            self._newest_first = sorted(self._articles.values(), key=_age, reverse=True)
        return self._newest_first

    def images(self, request_id: str) -> list[BoardImage]:
        """Return the requests with this event id: of different articles there may be several."""
        return self._by_request.get(request_id, [])

    def picture(self, sha256: str) -> Files | None:
        """Return a picture's files; none if it is withdrawn, None if no outcome that is kept here announced it."""
        return self._pictures.find(sha256)

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """Note where reading begins, by partitions with base names: what is before it, is missing."""
        for partition, offset in offsets.items():
            if partition.topic != names.PROGRESS:
                self.position.advance(partition, offset - 1)  # also of an empty partition: every stream has an id
                self.begins.advance(partition, offset - 1)

    def take(self, record: Record) -> Change | None:
        """Take a record as it was read; return what it changed."""
        base = self._bases.get(record.topic, "")
        partition = Partition(base, record.partition)
        if base == names.PROGRESS:
            return self._report(record)
        if self.position.has(partition, record.offset):
            return None
        self.position.advance(partition, record.offset)
        if (partition, record.offset) in self._early:
            self._early.discard((partition, record.offset))
            return None
        return self._ask(record) if base in REQUEST_TOPICS else self._announce(record)

    def take_early(self, record: Record) -> Change | None:
        """Take a request that was just published and will be read again."""
        partition = Partition(self._bases[record.topic], record.partition)
        if not self.position.has(partition, record.offset):
            self._early.add((partition, record.offset))
        return self._ask(record)

    def _ask(self, record: Record) -> Change | None:
        known = salvage(record.key, record.headers, record.value)
        if known.article_id is None or known.request_id is None:
            return None
        article = self._article(known.article_id, record)
        if article is None:
            return None
        image = article.find(known.request_id)
        asked = _asked(record, known, Partition(self._bases[record.topic], record.partition))
        if image is None:
            image = self._add(article, known.request_id)
        if not image.ask(asked):
            return None
        self._touch(article, record)
        return Change("image", article, image)

    def _announce(self, record: Record) -> Change | None:
        outcome = _announced(record)
        article = self._article(outcome.article, record) if outcome else None
        if article is None or outcome is None:
            return None
        image = article.find(outcome.request_id) or self._add(article, outcome.request_id)
        if not image.take(outcome):
            return None
        self._pictures.take(article.id, outcome)
        self._touch(article, record)
        return Change("image", article, image, slot_of(outcome))

    def _report(self, record: Record) -> Change | None:
        progress = _announced(record)
        article = self._articles.get(progress.article) if progress else None
        image = article.find(progress.request_id) if article and progress else None
        if article is None or image is None or progress is None or image.is_final:
            return None
        image.report(progress.data)
        article.forget_answers()
        return Change("progress", article, image)

    def _add(self, article: BoardArticle, image_id: str) -> BoardImage:
        image = BoardImage(image_id, article.id)
        article.add(image)
        self._by_request.setdefault(image_id, []).append(image)
        return image

    def _article(self, article_id: str, record: Record) -> BoardArticle | None:
        """Return an article, made if need be; None if it was let go and the record is as old."""
        known = self._articles.get(article_id)
        if known is None and record.timestamp_ms <= self._let_go_ms:
            self._miss(Partition(self._bases[record.topic], record.partition), record.offset)
            return None
        if known is None:
            known = self._articles[article_id] = BoardArticle(article_id)
        return known

    def _touch(self, article: BoardArticle, record: Record) -> None:
        self._newest_first = None
        self._bytes += article.touch()
        if removed := article.prune():
            for image in removed:
                self._forget(image)
            self._bytes += article.touch()
        if self._bytes > self._most_bytes or record.timestamp_ms >= self._next_expiry_ms:
            self._next_expiry_ms = record.timestamp_ms + self._history_ms // _EXPIRIES
            self._let_go(record.timestamp_ms - self._history_ms)

    def _let_go(self, until_ms: int) -> None:
        """Let go of articles that are as old; if memory has run out, of the oldest."""
        most = self._most_bytes * _KEPT if self._bytes > self._most_bytes else self._most_bytes
        for article in sorted(self._articles.values(), key=_age)[:-1]:
            if article.updated_ms > until_ms and self._bytes <= most:
                return
            self._let_go_ms = max(self._let_go_ms, article.updated_ms)
            self._bytes -= article.size
            del self._articles[article.id]
            self._pictures.forget(article.id)
            for image in article.images.values():
                self._forget(image)

    def _forget(self, image: BoardImage) -> None:
        rest = [each for each in self._by_request[image.id] if each is not image]
        if rest:
            self._by_request[image.id] = rest
        else:
            del self._by_request[image.id]
        for partition, offset in image.places:
            self._miss(partition, offset)

    def _miss(self, partition: Partition, offset: int) -> None:
        self.begins.advance(partition, offset)


def _age(article: BoardArticle) -> tuple[int, str]:
    return article.updated_ms, article.id


def _asked(record: Record, known: Salvage, partition: Partition) -> AskedEvent:
    event = _event(record)
    return AskedEvent(
        event_type=event.type if event else names.IMAGE_REQUESTED,
        slot=known.slot,
        source=known.source or "",
        revision=known.revision,
        data=_data(event),
        time_ms=record.timestamp_ms,
        partition=partition,
        offset=record.offset,
        size=len(record.value or b""),
    )


def _announced(record: Record) -> AnnouncedEvent | None:
    """Return what a record announces; None for what no worker of this contract wrote: it is passed by."""
    announced = parse_announced(record)
    return announced if announced and is_sound(announced) else None


def _event(record: Record) -> Event | None:
    try:
        return read(record.headers, record.value)
    except ContractError:
        return None


def _data(event: Event | None) -> Mapping[str, Any]:
    return event.data if event is not None and isinstance(event.data, dict) else {}
