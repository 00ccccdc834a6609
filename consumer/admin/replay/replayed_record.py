"""A replayed request as it is written to the lane, and how it is recognised there. Pure.

One block of our headers follows the publisher's: the replay's id and the original's coordinates. With `force` the
request itself changes: it has a new variation, and a new event id because it asks for something else.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.replay_origin import BLOCK, ID, OFFSET, PARTITION, TOPIC, ReplayOrigin
from consumer.delivery.retry import Headers
from consumer.jobs import Record
from schemas import ImageRequested
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, Event, attribute_name
from schemas.jsontext import dump_json

FIRST_FORCED: Final = 500
FORCED: Final = 500
"""Variations 500 to 999 are for replays; editors who ask for another picture count up from 0."""


def build_replayed(record: Record, headers: Headers, lane: str, replay: str) -> OutgoingRecord:
    """Return the record for the lane: key, value, partition number and the publisher's `headers` unchanged.

    The block of an earlier replay is replaced.
    """
    values = {ID: replay, TOPIC: record.topic, PARTITION: str(record.partition), OFFSET: str(record.offset)}
    ours = tuple((name, text.encode()) for name, text in values.items())
    return OutgoingRecord(lane, record.partition, record.key, record.value, (*without_block(headers), *ours))


def without_block(headers: Headers) -> Headers:
    """Return the headers without our block at their end."""
    names = tuple(name for name, _ in headers[-len(BLOCK) :])
    return headers[: -len(BLOCK)] if names == BLOCK else headers


def build_forced(
    replayed: OutgoingRecord, event: Event, request: ImageRequested, origin: ReplayOrigin
) -> OutgoingRecord:
    """Return the replayed record with a new variation and its own event id, the same each time this replay builds it.

    `correlationid` refers to the original event, unless the publisher set one.
    """
    variation = new_variation(origin.replay, request.generation.variation or 0)
    identity = json.dumps([origin.replay, origin.topic, origin.partition, origin.offset])
    attributes = {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "correlationid": event.extensions.get("correlationid", event.id),
    }
    data = _varied(event.data, variation)
    if _structured(replayed.headers):
        document = json.loads(replayed.value or b"")
        document.pop("data_base64", None)
        return replace(replayed, value=dump_json({**document, **attributes, "data": data}))
    headers = tuple(one for one in replayed.headers if attribute_name(one[0]) not in attributes)
    changed = tuple((f"ce_{name}", text.encode()) for name, text in attributes.items())
    block = headers[-len(BLOCK) :]
    return replace(replayed, value=dump_json(data), headers=(*without_block(headers), *changed, *block))


def new_variation(replay: str, own: int) -> int:
    """Return the variation of a whole replay, or its successor where a request's own is the same."""
    place = int(hashlib.sha256(replay.encode()).hexdigest(), 16) % FORCED
    return FIRST_FORCED + (place + 1) % FORCED if FIRST_FORCED + place == own else FIRST_FORCED + place


def _structured(headers: Headers) -> bool:
    types = [value or b"" for name, value in headers if attribute_name(name) == "datacontenttype"]
    return any(value.decode(errors="replace").lower().startswith(ENVELOPE_MEDIA_TYPE) for value in types)


def _varied(data: Any, variation: int) -> dict[str, Any]:
    return {**data, "generation": {**(data.get("generation") or {}), "variation": variation}}
