"""`leadart policy check`: what a policy decides about a request in a file, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from consumer.errors import Rejected
from consumer.processing.policy.conditions import RequestFacts
from consumer.processing.policy.decision import PolicyDecision
from consumer.processing.policy.rules import Policy
from schemas import ContractError, ImageRequested, Reason
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, Event
from schemas.jsontext import parse_json
from schemas.names import IMAGE_REQUESTED
from schemas.reader import parse_request
from schemas.requests import AnyRequest

_NO_PICTURES: Final = "This is no request for new pictures, and policies decide about those only."


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """What is decided about one request, and what of it meets the rule's conditions."""

    article_id: str
    decision: PolicyDecision
    why: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the finding for programs."""
        return {"article": self.article_id, **asdict(self.decision), "why": list(self.why)}


def find(policy: Policy, text: bytes, source: str, seconds_since_first_save: float) -> PolicyFinding:
    """Decide about a request in a JSON file: its data, or a whole CloudEvent, whose source then counts.

    Raises `Rejected` for what is no valid request for new pictures.
    """
    event, request = _parse(text, source)
    facts = RequestFacts(request, event.source, seconds_since_first_save)
    return PolicyFinding(request.article.id, *policy.explain(facts))


def _parse(text: bytes, source: str) -> tuple[Event, ImageRequested]:
    try:
        event, request = _read(text, source)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field=error.field) from error
    if not isinstance(request, ImageRequested):
        raise Rejected(Reason.WRONG_TYPE, _NO_PICTURES, field="type")
    return event, request


def _read(text: bytes, source: str) -> tuple[Event, AnyRequest]:
    document = parse_json(text)
    if not isinstance(document, dict):
        raise ContractError(Reason.INVALID_FIELD, "The file is not a JSON object.")
    if "specversion" in document:
        return parse_request(_key(document.get("data")), [("content-type", ENVELOPE_MEDIA_TYPE.encode())], text)
    attributes = {"specversion": "1.0", "id": "policy-check", "source": source, "type": IMAGE_REQUESTED}
    return parse_request(_key(document), [(f"ce_{name}", value.encode()) for name, value in attributes.items()], text)


def _key(data: object) -> bytes | None:
    article = data.get("article") if isinstance(data, dict) else None
    identity = article.get("id") if isinstance(article, dict) else None
    return identity.encode(errors="replace") if isinstance(identity, str) else None
