"""From an HTTP body to an event on the bus, checked exactly as a worker checks it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from consumer.gateway.access.claims import ArticleClaims
from consumer.gateway.access.principal import Principal
from consumer.gateway.access.quota import DailyQuota
from consumer.gateway.board.board import Board, Change
from consumer.gateway.board.image import BoardImage
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.bus_publisher import LinkedPublisher
from consumer.gateway.keyed_locks import KeyedLocks
from consumer.gateway.problems import Problem, not_found
from consumer.jobs import ModelIdentity, Paintable
from consumer.processing.prompting import make_plan
from consumer.processing.styles import Styles
from schemas import ImageRequested, names
from schemas.cloudevents import Event, write
from schemas.fields import misplaced_character
from schemas.reader import parse_request
from schemas.requests import AnyRequest

KEYED_REQUESTS = UUID("5b0f2f0e-8f39-4c1c-9d1e-3f2a4f5d6c70")
"""Namespace of the event ids that are made from idempotency keys."""

_ANY_MODEL = Paintable(ModelIdentity("", ""))
"""Which model will paint is not known here; what is wrong with a request does not depend on it."""


class Publishing:
    """Publishes for a principal. An idempotency key makes the event's id, so that the bus knows a repeat."""

    def __init__(
        self, publisher: LinkedPublisher, board: Board, broadcast: Broadcast, styles: Styles, quota: DailyQuota
    ) -> None:
        self._publisher = publisher
        self._board = board
        self._broadcast = broadcast
        self._styles = styles
        self._quota = quota
        self._claims = ArticleClaims()
        self._keyed = KeyedLocks()

    async def publish(
        self, principal: Principal, event_type: str, data: object, idempotency_key: str | None = None
    ) -> Change:
        """Check an event with these data, whatever they are, publish it, and return it as the board has it.

        It returns once all in-sync replicas have it. Raises `ContractError` or `Rejected` naming the field, `Problem`
        if the article is another source's, the idempotency key was used for something else, the source has asked for
        too many pictures today, or Kafka does not answer.
        """
        event = _event(principal, event_type, data, idempotency_key)
        request = self._checked(event)
        async with self._keyed.held(event.id):  # a repeat waits for what it repeats
            return await self._publish(principal, event, request)

    def earlier(self, principal: Principal, idempotency_key: str | None) -> BoardImage | None:
        """Return what the caller's source published with this idempotency key."""
        images = self._board.images(_event_id(principal, idempotency_key)) if idempotency_key else []
        return next((image for image in images if image.source == principal.source), None)

    async def _publish(self, principal: Principal, event: Event, request: AnyRequest) -> Change:
        article_id = request.article.id
        owner = self._owner(principal, article_id)
        published = self._published(event, article_id)
        if published is not None:
            return published
        pictures = request.output.variants if isinstance(request, ImageRequested) else 0
        with self._claims.held(article_id, owner), self._quota.reserved(principal, pictures):
            change = self._board.take_early(await self._publisher.publish(event))
        if change is not None:
            self._broadcast.send(change, self._board.position.encode())
            return change
        published = self._published(event, article_id)  # read from the bus meanwhile
        if published is None:
            raise RuntimeError(f"{event.id} was published and is not on the board")
        return published

    def _checked(self, event: Event) -> AnyRequest:
        headers, value = write(event)
        _, request = parse_request((event.subject or "").encode() or None, tuple(headers), value)
        if isinstance(request, ImageRequested):
            make_plan(request, self._styles, _ANY_MODEL)
        return request

    def _owner(self, principal: Principal, article_id: str) -> str:
        """Return the source that the article belongs to, or will. Raises `Problem` if it is not the caller's."""
        if not principal.may_name(article_id):
            raise Problem(403, "forbidden", "This key may not name that article.", field="article.id")
        article = self._board.article(article_id)
        if article is not None and not principal.sees(article):
            raise not_found("article")
        return article.source if article is not None and article.source else principal.source

    def _published(self, event: Event, article_id: str) -> Change | None:
        """Return what was published under the same id. Raises `Problem` if that is something else."""
        for image in self._board.images(event.id):
            if image.source != event.source:
                continue
            article = self._board.article(image.article)
            if article is None or image.article != article_id or image.request != event.data:
                raise Problem(
                    422, "idempotency_key_reused", "This Idempotency-Key stands for another request: use a new one."
                )
            return Change("image", article, image)
        return None


def _event(principal: Principal, event_type: str, data: object, idempotency_key: str | None) -> Event:
    article = data.get("article") if isinstance(data, dict) else None
    return Event(
        id=_event_id(principal, idempotency_key),
        source=principal.source,
        type=event_type,
        subject=_subject(article.get("id")) if isinstance(article, dict) else None,
        time=datetime.now(UTC),
        dataschema=names.dataschema(event_type),
        data=data,
    )


def _event_id(principal: Principal, idempotency_key: str | None) -> str:
    return str(uuid5(KEYED_REQUESTS, f"{principal.source}\n{idempotency_key}") if idempotency_key else uuid4())


def _subject(article_id: object) -> str | None:
    """Return an id that may stand in an attribute; of any other, the error is the data's."""
    fits = isinstance(article_id, str) and 0 < len(article_id) <= 200 and misplaced_character(article_id) is None
    return str(article_id) if fits else None
