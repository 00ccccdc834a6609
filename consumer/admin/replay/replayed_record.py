"""A replayed request as it is written into the lane, and how it is known there again. Pure.

Behind the publisher's headers lies one block of ours: the replay's id, and where the original lies. With `force` the
request itself is another: its variation is new, and so is its event id, because it asks for something else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from consumer.delivery.ports import OutgoingRecord
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, attribute_name
from schemas.jsontext import dump_json

if TYPE_CHECKING:
    from consumer.jobs import Record
    from schemas import ImageRequested
    from schemas.cloudevents import Event

ID: Final = "leadart-replay-id"
TOPIC: Final = "leadart-replay-topic"
PARTITION: Final = "leadart-replay-partition"
OFFSET: Final = "leadart-replay-offset"
_BLOCK: Final = (ID, TOPIC, PARTITION, OFFSET)

FIRST_FORCED: Final = 500
FORCED: Final = 500
"""Variations 500 to 999 are for replays; editors who ask for another picture count up from 0."""

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class ReplayOrigin:
    """Which replay a record of the lane belongs to, and where its original lies."""

    replay: str
    topic: str
    partition: int
    offset: int


def origin(headers: Headers) -> ReplayOrigin | None:
    """Return what the last block of ours says; None for a record that was not replayed."""
    starts = [index for index, (name, _) in enumerate(headers) if name == ID]
    block = headers[starts[-1] :][: len(_BLOCK)] if starts else ()
    if tuple(name for name, _ in block) != _BLOCK:
        return None
    replay, topic, partition, offset = ((value or b"").decode(errors="replace") for _, value in block)
    try:
        return ReplayOrigin(replay, topic, int(partition), int(offset))
    except ValueError:
        return None


def replayed(record: Record, theirs: Headers, lane: str, replay: str) -> OutgoingRecord:
    """Return the record for the lane: key, value, partition number and the publisher's headers as they were.

    What an earlier replay said behind those is replaced.
    """
    told = {ID: replay, TOPIC: record.topic, PARTITION: str(record.partition), OFFSET: str(record.offset)}
    ours = tuple((name, text.encode()) for name, text in told.items())
    return OutgoingRecord(lane, record.partition, record.key, record.value, (*without_block(theirs), *ours))


def without_block(headers: Headers) -> Headers:
    """Take a block of ours off the end."""
    names = tuple(name for name, _ in headers[-len(_BLOCK) :])
    return headers[: -len(_BLOCK)] if names == _BLOCK else headers


def forced(letter: OutgoingRecord, event: Event, request: ImageRequested, at: ReplayOrigin) -> OutgoingRecord:
    """Return the letter with a new variation and an event id of its own, the same whenever this replay makes it.

    `correlationid` leads back to the original event, unless the publisher set one. Raises ValueError for a request with
    a number beyond what can be written again (a field that we do not know may hold 1e999).
    """
    try:
        return _forced(letter, event, request, at)
    except ValueError as error:
        raise ValueError(f"with another variation it cannot be written as JSON again: {error}") from error


def _forced(letter: OutgoingRecord, event: Event, request: ImageRequested, at: ReplayOrigin) -> OutgoingRecord:
    variation = new_variation(at.replay, request.generation.variation)
    identity = json.dumps([at.replay, at.topic, at.partition, at.offset])
    attributes = {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "correlationid": event.extensions.get("correlationid", event.id),
    }
    data = _varied(event.data, variation)
    if _structured(letter.headers):
        document = json.loads(letter.value or b"")
        document.pop("data_base64", None)
        value = dump_json({**document, **attributes, "data": data})
        return OutgoingRecord(letter.topic, letter.partition, letter.key, value, letter.headers)
    headers = tuple(one for one in letter.headers if attribute_name(one[0]) not in attributes)
    told = tuple((f"ce_{name}", text.encode()) for name, text in attributes.items())
    ours = headers[-len(_BLOCK) :]
    return OutgoingRecord(
        letter.topic, letter.partition, letter.key, dump_json(data), (*without_block(headers), *told, *ours)
    )


def new_variation(replay: str, own: int) -> int:
    """Return a variation that is one for a whole replay, but another than the request's own."""
    place = int(hashlib.sha256(replay.encode()).hexdigest(), 16) % FORCED
    return FIRST_FORCED + (place + 1) % FORCED if FIRST_FORCED + place == own else FIRST_FORCED + place


def _structured(headers: Headers) -> bool:
    types = [value or b"" for name, value in headers if attribute_name(name) == "datacontenttype"]
    return any(value.decode(errors="replace").lower().startswith(ENVELOPE_MEDIA_TYPE) for value in types)


def _varied(data: Any, variation: int) -> dict[str, Any]:
    return {**data, "generation": {**(data.get("generation") or {}), "variation": variation}}
