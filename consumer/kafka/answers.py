"""Which of the announced events answer one that was published, and what is known of them by it."""

import json
from typing import Any

from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind, names
from schemas.cloudevents import Event


def answers(announced: AnnouncedEvent, published: Event) -> bool:
    """Return whether an outcome, or a progress event, is of that request or decision.

    An approval has its held request's outcome, under that one's id: there article, slot and revision have to do.
    """
    if announced.request_id == published.id:
        return True
    if published.type != names.IMAGE_APPROVED or announced.kind == OutcomeKind.HELD:
        return False
    data = _data(published)
    approved = (published.subject, data.get("slot") or "hero", data["article"].get("revision"))
    return approved == (announced.article, announced.data.get("slot"), announced.revision)


def lets_go(published: Event) -> bool:
    """Return whether an event lets go of an editor's choice."""
    data = _data(published)
    return published.type == names.IMAGE_CHOSEN and not (data.get("picture") or data.get("external"))


def _data(published: Event) -> Any:
    return json.loads(published.data) if isinstance(published.data, bytes) else published.data
