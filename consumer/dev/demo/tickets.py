"""What is known about each save from the records that a subscriber saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from pydantic import ValidationError

from consumer.dev.demo.articles import ArticleSave
from consumer.dev.demo.downloads import Download
from consumer.jobs import Record
from schemas import ContractError, ImageFailed, ImageProgress, ImageReady, names
from schemas.cloudevents import Event, read


@dataclass(slots=True)
class SaveTicket:
    """One save, and every record about it so far."""

    save: ArticleSave
    published: float | None = None
    progress: ImageProgress | None = None
    outcomes: list[Event] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    seconds: float | None = None
    """From publishing to the first outcome, as the subscriber saw it."""

    @property
    def ready(self) -> ImageReady | None:
        """The first outcome, if it is `ready` and valid."""
        return _parsed(self.outcomes, ImageReady)

    @property
    def failed(self) -> ImageFailed | None:
        """The first outcome, if it is `failed` and valid."""
        return _parsed(self.outcomes, ImageFailed)

    @property
    def outcome(self) -> str | None:
        """The kind of the first outcome, such as `ready`."""
        return self.outcomes[0].type.removeprefix(names.TYPE_PREFIX).partition(".")[0] if self.outcomes else None

    @property
    def elapsed(self) -> float | None:
        """Seconds from publishing to the outcome, or until now; None before publishing."""
        if self.seconds is not None or self.published is None:
            return self.seconds
        return monotonic() - self.published


class EditionDesk:
    """All tickets of an edition, in order."""

    def __init__(self, edition: Sequence[ArticleSave]) -> None:
        self.tickets = tuple(SaveTicket(save) for save in edition)
        self.strays: list[Record] = []
        """Outcomes and dead letters of requests that are not in the edition."""
        self._by_request = {ticket.save.event.id: ticket for ticket in self.tickets}

    @property
    def waiting(self) -> bool:
        """True while a save has no outcome."""
        return any(not ticket.outcomes for ticket in self.tickets)

    def due(self) -> list[SaveTicket]:
        """Return the saves to publish now: each article's next one, once the previous one has its outcome.

        Editors look at the picture before they save again, and two saves at once would race for what is reused.
        """
        following: dict[str, SaveTicket] = {}
        for ticket in self.tickets:
            if not ticket.outcomes:
                following.setdefault(ticket.save.key, ticket)
        return [ticket for ticket in following.values() if ticket.published is None]

    def take(self, record: Record) -> SaveTicket | None:
        """Add a record to its ticket and return the ticket; None for a stray."""
        event = _event(record)
        is_dead_letter = record.topic.endswith(names.DEAD_LETTER)
        ticket = self._by_request.get(_asked_by(event, is_dead_letter=is_dead_letter)) if event else None
        if event is None or ticket is None:
            if event is None or event.type != names.IMAGE_PROGRESS:
                self.strays.append(record)
        elif is_dead_letter:
            ticket.dead_letters.append(record)
        elif event.type == names.IMAGE_PROGRESS:
            ticket.progress = ImageProgress.model_validate(event.data)
        else:
            ticket.seconds = ticket.elapsed
            ticket.outcomes.append(event)
        return ticket


def _event(record: Record) -> Event | None:
    try:
        return read(record.headers, record.value)
    except ContractError:
        return None


def _asked_by(event: Event, *, is_dead_letter: bool) -> str:
    """Return the id of the request: a dead letter is the request itself, all else names it."""
    return event.id if is_dead_letter else event.extensions.get("causationid", "")


_Outcome = TypeVar("_Outcome", ImageReady, ImageFailed)


def _parsed(outcomes: Sequence[Event], model: type[_Outcome]) -> _Outcome | None:
    if not outcomes or outcomes[0].type != model.type:
        return None
    try:
        return model.model_validate(outcomes[0].data)
    except ValidationError:
        return None
