"""From a JSON file to the event that `leadart publish` sends: a request, or a decision of an editor."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from consumer.errors import Rejected
from consumer.kafka.cms_client import request_event
from schemas import ContractError, Reason, names
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, Event, read

SHORT_TYPES = {kind.removeprefix("org.leadart.article.").removesuffix(".v1"): kind for kind in names.REQUESTS}
"""The types that a CMS publishes, by the name that people type."""

_OF_A_CHOICE = frozenset({"external", "alt", "caption", "chosen_by"})
_DECIDED_BY = {
    "approved_by": names.IMAGE_APPROVED,
    "withdrawn_by": names.ARTICLE_WITHDRAWN,
    "restored_by": names.ARTICLE_RESTORED,
}
_OF_A_RECROP = frozenset({"focal_point", "crops", "requested_by"})


def parse_request_file(text: bytes, event_type: str | None = None) -> Event:
    """Return the event of a JSON file: a whole CloudEvent, or data, which get a new id and are sent as they are.

    `event_type` says what data are that could be several things: no file chooses a picture because it happens to look
    so. Only what a record needs is checked, so that bad requests can be tried out. Raises `Rejected` for text without
    an article id or of no clear type.
    """
    try:
        document = json.loads(text)
        if "specversion" in document and "data" in document:
            return _whole_event(text, event_type)
        event = request_event(document, str(uuid4()))
        kind = event_type or guess_type(document)
        return replace(event, type=kind, dataschema=names.dataschema(kind), data=text)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field="article.id") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Rejected(
            Reason.MISSING_FIELD, "This is not a JSON object with an article.id.", field="article.id"
        ) from error


def _whole_event(text: bytes, event_type: str | None) -> Event:
    try:
        event = read([("content-type", ENVELOPE_MEDIA_TYPE.encode())], text)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field=error.field) from error
    if event.type not in names.REQUESTS or event_type not in {None, event.type}:
        wanted = event_type or "one that a CMS publishes"
        raise Rejected(Reason.WRONG_TYPE, f"The event's type is {event.type}, not {wanted}.", field="type")
    data: Any = event.data
    return replace(event, subject=str(data["article"]["id"]))


def guess_type(data: Mapping[str, Any]) -> str:
    """Return the only type that the data can be meant as. Raises `Rejected` if there are several."""
    kind = _guess(data, data["article"])
    if kind is None:
        raise Rejected(
            Reason.WRONG_TYPE,
            f"These data fit more than one type of event: say which with --type ({', '.join(SHORT_TYPES)}), or write "
            "the whole CloudEvent.",
            field="type",
        )
    return kind


def _guess(data: Mapping[str, Any], article: Mapping[str, Any]) -> str | None:
    fields = data.keys()
    if "picture" in fields:
        return _guess_about_picture(data)
    if fields & _OF_A_CHOICE:
        return names.IMAGE_CHOSEN if data.get("external") is True else None
    for field, decision in _DECIDED_BY.items():
        if field in fields:
            return decision
    if fields <= {"article", "slot", "reason"} and article.keys() <= {"id", "revision"}:
        is_request = fields == {"article"} and "revision" in article
        return names.IMAGE_REQUESTED if is_request else None
    return names.IMAGE_REQUESTED


def _guess_about_picture(data: Mapping[str, Any]) -> str | None:
    chooses, crops = data.keys() & _OF_A_CHOICE, data.keys() & _OF_A_RECROP
    if data["picture"] is None:
        return None if crops else names.IMAGE_CHOSEN
    if chooses:
        return None if "requested_by" in crops else names.IMAGE_CHOSEN
    return names.IMAGE_RECROP_REQUESTED if crops else None
