"""From records to what a trace tells of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from consumer.admin.dead_letters.dead_letter import REDRIVEN, DeadLetterRecord
from consumer.admin.heads import decision_in_words
from consumer.admin.trace.holds import Holds, RequestHold
from consumer.admin.trace.timeline import (
    FailureFacts,
    Place,
    RecordState,
    Standing,
    TracedDeadLetter,
    TracedFile,
    TracedHead,
    TracedOutcome,
    TracedPicture,
    TracedRequest,
)
from consumer.delivery.heads import read_head, slot_of
from consumer.delivery.replay_origin import parse_origin
from consumer.delivery.retry import RetryPolicy, split
from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent
from schemas import ContractError, OutcomeKind
from schemas.cloudevents import attribute_name, read
from schemas.editorial import ImageChosen
from schemas.reader import parse_request
from schemas.requests import AnyRequest, ImageRequest
from schemas.salvage import salvage

_PREFIX: Final = "org.leadart.article."
_FLAGS: Final = ("chosen", "kept", "offers")
MASTER: Final = "master"


def place_of(record: Record) -> Place:
    """Return where a record is."""
    return Place(record.topic, record.partition, record.offset)


def parse_lane_record(record: Record, retries: RetryPolicy, standing: Standing, holds: Holds) -> TracedRequest:
    """Return what a record of a lane is, whatever its publisher wrote; `holds` are those of its shard."""
    state = retries.unwrap(record)
    original = state.original
    known, parsed = salvage(original.key, original.headers, original.value), _parsed(original)
    replay = parse_origin(original.headers)
    facts = split(record.headers)[1] if state.attempts else {}
    hold = RequestHold()
    if standing.state is not RecordState.FINISHED and isinstance(parsed, ImageRequest):
        hold = holds.on(record, original, parsed, known.source or "")
    return TracedRequest(
        place=place_of(record),
        ms=record.timestamp_ms,
        kind=_kind(original),
        request_id=known.request_id or f"{original.topic}:{original.partition}:{original.offset}",
        slot=known.slot,
        revision=known.revision,
        standing=standing,
        origin=place_of(original),
        problem=parsed if isinstance(parsed, FailureFacts) else None,
        attempt=state.attempts + 1,
        due_ms=state.due_ms,
        failure=_failure(facts) if facts else None,
        replay=replay.replay if replay else "",
        redriven=(dict(original.headers).get(REDRIVEN) or b"").decode(errors="replace"),
        lets_go=isinstance(parsed, ImageChosen) and parsed.picture is None and not parsed.external,
        **asdict(hold),
    )


def _kind(record: Record) -> str:
    try:
        return _short(read(record.headers, record.value).type)
    except ContractError:
        types = [value or b"" for name, value in record.headers if attribute_name(name) == "type"]
        return _short(types[0].decode(errors="replace")) if types else ""


def _short(event_type: str) -> str:
    return event_type.removeprefix(_PREFIX).removesuffix(".v1")


def _parsed(record: Record) -> AnyRequest | FailureFacts:
    if record.not_read:
        return FailureFacts(record.not_read_reason.value, record.not_read)
    try:
        return parse_request(record.key, record.headers, record.value)[1]
    except ContractError as error:
        return FailureFacts(error.reason.value, error.message, error.field or "")


def _failure(facts: Mapping[str, str]) -> FailureFacts:
    texts = (facts.get(f"leadart-{name}", "") for name in ("reason", "message", "field"))
    return FailureFacts(*texts)


def parse_letter(letter: DeadLetterRecord, topic: str) -> TracedDeadLetter:
    """Return what a dead letter is; it is open until a mark follows."""
    original = letter.original
    known = salvage(original.key, original.headers, original.value)
    return TracedDeadLetter(
        place=Place(topic, *letter.at),
        ms=letter.kept_ms,
        origin=place_of(original),
        request_id=known.request_id or f"{original.topic}:{original.partition}:{original.offset}",
        failure=_failure(letter.facts),
        attempts=letter.facts.get("leadart-attempts", ""),
        state="open",
    )


def parse_head(record: Record, group_id: str, article: str) -> TracedHead | None:
    """Return a slot's head; None for records that are none of this group's and this article's."""
    slot = slot_of(record.key or b"", group_id)
    head = read_head(record.value) if slot is not None and record.value is not None else None
    if slot is None or head is None or slot.article_id != article:
        return None
    return TracedHead(
        place=place_of(record),
        ms=record.timestamp_ms,
        slot=slot.name,
        revision=head.revision,
        source=head.source,
        request_id=head.request_id,
        made=head.made,
        ordinal=head.ordinal,
        decided=decision_in_words(head.editorial),
    )


def parse_outcome(event: AnnouncedEvent) -> TracedOutcome:
    """Return what an outcome says; of fields that are not known here, nothing."""
    data, failed = event.data, event.kind == OutcomeKind.FAILED
    return TracedOutcome(
        place=place_of(event.record),
        ms=event.record.timestamp_ms,
        kind=event.kind,
        request_id=event.request_id,
        slot=_text(data, "slot") or None,
        revision=_revision(data),
        result=event.result,
        failure=FailureFacts(*(_text(data, name) for name in ("reason", "message", "field"))) if failed else None,
        final=failed and not data.get("retryable"),
        attempts=_number(data, "attempts"),
        newer=_number(_part(data, "superseded_by"), "revision") or None,
        expires_at=_text(data, "expired_at") or _text(data, "held_until"),
        reused=bool(data.get("reused")),
        pictures=_pictures(data),
        ordinal=_number(data, "ordinal"),
        rule=_text(data, "rule"),
        message=_text(data, "message"),
        flags=frozenset(name for name in _FLAGS if data.get(name) is True),
    )


def _pictures(data: Mapping[str, Any]) -> tuple[TracedPicture, ...]:
    return tuple(
        TracedPicture(
            recipe=_text(picture, "recipe"),
            url="" if picture.get("url_expires") else _text(picture, "url"),
            files=(
                _file(picture, MASTER),
                *(_file(each, _rendition_name(each)) for each in _list(picture, "renditions")),
            ),
        )
        for picture in _list(data, "pictures")
    )


def _file(data: Mapping[str, Any], name: str) -> TracedFile:
    return TracedFile(name, _text(data, "key"), _text(data, "sha256"), _number(data, "bytes"))


def _rendition_name(data: Mapping[str, Any]) -> str:
    return f"{_text(data, 'name')} {_text(data, 'media_type').removeprefix('image/')}"


def _list(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = data.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _text(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    return found if isinstance(found, str) else ""


def _revision(data: Mapping[str, Any]) -> int | None:
    found = _part(data, "article").get("revision")
    return found if isinstance(found, int) else None


def _number(data: Mapping[str, Any], name: str) -> int:
    found = data.get(name)
    return found if isinstance(found, int) else 0
