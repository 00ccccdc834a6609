"""Records as leadart announces outcomes, for tests of those who read them."""

from __future__ import annotations

from typing import Any

from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from schemas import names
from schemas.cloudevents import Event, write


def record(
    kind: str,
    *,
    article_id: str = "a-1",
    request: str = "r-1",
    place: tuple[int, int] = (0, 0),
    ms: int = 1000,
    **data: Any,
) -> Record:
    """Return the record of an announcement; `place` is its partition and offset, `data` what its kind has."""
    event = Event(
        id=f"o-{request}",
        source="/leadart/test",
        type=f"{names.TYPE_PREFIX}{kind}.v1",
        subject=article_id,
        extensions={"causationid": request},
        data={"request_id": request, "article": {"id": article_id, "revision": 7}, "slot": "hero", **data},
    )
    headers, value = write(event)
    return Record(names.OUTCOME, *place, article_id.encode(), value, tuple(headers), ms)


def announced(kind: str, **data: Any) -> AnnouncedEvent:
    """Return the same, parsed."""
    event = parse_announced(record(kind, **data))
    assert event
    return event
