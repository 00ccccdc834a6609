from __future__ import annotations

import json

import pytest

from consumer.kafka.answers import answers, lets_go
from consumer.kafka.cms_client import request_event
from schemas import names
from tests.support.announcements import announced

APPROVAL = {"article": {"id": "a-1", "revision": 7}}


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        ("ready", {}, True),
        ("superseded", {}, True),
        ("progress", {}, True),
        ("held", {}, False),
        ("ready", {"slot": "teaser"}, False),
        ("ready", {"article_id": "a-2"}, False),
        ("ready", {"article": {"id": "a-1", "revision": 8}}, False),
    ],
)
def test_an_approval_is_answered_under_the_held_requests_id(
    kind: str, about: dict[str, object], *, expected: bool
) -> None:
    """By article, slot (`hero` if none is named) and revision; to be held is what it was before."""
    approval = request_event(APPROVAL, "approval", event_type=names.IMAGE_APPROVED)
    as_bytes = request_event(APPROVAL, "approval", event_type=names.IMAGE_APPROVED)
    object.__setattr__(as_bytes, "data", json.dumps(APPROVAL).encode())

    assert answers(announced(kind, request="held-1", **about), approval) is expected
    assert answers(announced(kind, request="held-1", **about), as_bytes) is expected


def test_everything_else_is_answered_under_its_own_id() -> None:
    """The same article, slot and revision are no answer to a save; a refused approval has its own id, too."""
    save = request_event(APPROVAL, "r-1")
    approval = request_event(APPROVAL, "r-1", event_type=names.IMAGE_APPROVED)

    assert answers(announced("ready", request="r-1"), save)
    assert not answers(announced("ready", request="r-2"), save)
    assert answers(announced("failed", request="r-1", slot="teaser"), approval)


@pytest.mark.parametrize(
    ("event_type", "body", "expected"),
    [
        (names.IMAGE_CHOSEN, {"picture": None}, True),
        (names.IMAGE_CHOSEN, {}, True),
        (names.IMAGE_CHOSEN, {"picture": {"sha256": "0" * 64}}, False),
        (names.IMAGE_CHOSEN, {"picture": None, "external": True}, False),
        (names.IMAGE_REQUESTED, {}, False),
    ],
)
def test_only_a_choice_of_nothing_lets_go(event_type: str, body: dict[str, object], *, expected: bool) -> None:
    """Neither a picture nor one of the site's own."""
    assert lets_go(request_event({**APPROVAL, **body}, "c-1", event_type=event_type)) is expected
