"""Which of the announced events answer one that was published."""

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
    data: Any = json.loads(published.data) if isinstance(published.data, bytes) else published.data
    approved = (published.subject, data.get("slot") or "hero", data["article"].get("revision"))
    return approved == (announced.article, announced.data.get("slot"), announced.revision)
