"""What a policy decides about a request in a file."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from consumer.admin.policy_check import find
from consumer.errors import Rejected
from consumer.processing.policy.conditions import OneOf, SinceFirstSave
from consumer.processing.policy.decision import PolicyDecision
from consumer.processing.policy.rules import Policy, Rule
from schemas import Reason

DATA: dict[str, Any] = {"article": {"id": "ä-1", "revision": 1, "headline": "Harbour", "section": "City"}}
POLICY = Policy(
    "v1",
    (
        Rule("wire", (OneOf("source", ["/wire"]),), PolicyDecision(rule="wire")),
        Rule("old", (SinceFirstSave(timedelta(hours=1)),), PolicyDecision(rule="old")),
        Rule("city", (OneOf("section", ["City"]),), PolicyDecision(rule="city", never=True)),
    ),
)


def text(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_plain_data_is_a_request_of_the_given_source() -> None:
    """A developer has the request's data in a file, not its event."""
    finding = find(POLICY, text(DATA), "/cms", 0)
    assert (finding.article_id, finding.decision.rule, finding.why) == ("ä-1", "city", ("section is 'City'",))
    assert find(POLICY, text(DATA), "/wire", 0).decision.rule == "wire"
    assert find(POLICY, text(DATA), "/cms", 3600).decision.rule == "old"


def test_a_whole_event_says_its_source_itself() -> None:
    """As it lies in a dead letter or a log."""
    event = {"specversion": "1.0", "id": "1", "source": "/wire", "type": "org.leadart.article.image-requested.v1"}
    assert find(POLICY, text(event | {"data": DATA}), "/cms", 0).decision.rule == "wire"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"article": {"id": "a", "revision": 1}}, Reason.MISSING_FIELD),
        ({"article": 3}, Reason.INVALID_FIELD),
        ([], Reason.INVALID_FIELD),
        ({"specversion": "1.0", "id": "1", "source": "/s", "type": "other", "data": DATA}, Reason.WRONG_TYPE),
    ],
)
def test_what_is_no_request_is_rejected(document: Any, reason: Reason) -> None:
    """With the sentence that its publisher would get."""
    with pytest.raises(Rejected) as rejected:
        find(POLICY, text(document), "/cms", 0)
    assert rejected.value.reason is reason


def test_a_recrop_is_no_matter_for_a_policy() -> None:
    """It paints nothing."""
    recrop = {"article": {"id": "a", "revision": 1}, "picture": {"sha256": "0" * 64}}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "org.leadart.article.image-recrop-requested.v1"}
    with pytest.raises(Rejected, match="no request for new pictures"):
        find(POLICY, text(event | {"data": recrop}), "/cms", 0)
