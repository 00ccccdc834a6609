"""`consumer.gateway.board.image`: a request and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.gateway.board.image import timestamp
from consumer.gateway.board.position import parse_position
from schemas import OutcomeKind, names
from tests.support.board import Topics, board_of, decision, save

KINDS = [
    (names.IMAGE_REQUESTED, "request", "queued", False),
    (names.IMAGE_RECROP_REQUESTED, "crop", "queued", False),
    (names.IMAGE_CHOSEN, "choice", "queued", False),
    (names.IMAGE_APPROVED, "approval", "approved", False),
    (names.ARTICLE_WITHDRAWN, "withdrawal", "queued", False),
    (names.ARTICLE_RESTORED, "restoration", "restored", True),
]


def image_of(topics: Topics, request_id: str = "r-1") -> Any:
    (found,) = board_of(topics.records).images(request_id)
    return found


@pytest.mark.parametrize(("event_type", "kind", "state", "final"), KINDS)
def test_what_was_published_has_a_kind_and_a_state(event_type: str, kind: str, state: str, *, final: bool) -> None:
    """A restoration has no outcome to wait for; all else does, an approval that of what it approves or its own."""
    topics = Topics()
    topics.ask("r-1", save() if event_type == names.IMAGE_REQUESTED else decision(), type=event_type)
    image = image_of(topics)
    assert (image.kind, image.state, image.is_final, image.slot) == (kind, state, final, "hero")


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_its_outcome_is_its_state(kind: OutcomeKind) -> None:
    """Each kind is final but `held`."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.announce(kind, "r-1", rule="drafts")
    image = image_of(topics)
    assert (image.state, image.is_final) == (kind, kind.final)
    assert image.summary()["outcome"]["request_id"] == "r-1"
    assert (image.summary()["asked_at"], image.summary()["outcome_at"]) == (
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:02.000Z",
    )


@pytest.mark.parametrize(
    ("stages", "state"),
    [
        (["accepted"], "queued"),
        (["accepted", "started"], "queued"),
        (["started", "started"], "queued"),
        (["started", "step"], "painting"),
        (["storing"], "painting"),
    ],
)
def test_it_is_painting_once_a_step_was_done(stages: list[str], state: str) -> None:
    """A variant that was started may still wait at the engine for others: it is not painted at 0 %."""
    topics = Topics()
    topics.ask("r-1", save())
    for index, stage in enumerate(stages):
        topics.announce("progress", "r-1", stage=stage, index=index)
    assert image_of(topics).state == state


def test_details_have_what_was_published() -> None:
    """The request's data is given back as it was."""
    topics = Topics()
    topics.ask("r-1", save(revision=7))
    assert image_of(topics).details()["request"] == save(revision=7)
    assert "request" not in image_of(topics).summary()


@pytest.mark.parametrize(
    ("output", "variants"), [({"variants": 4}, 4), ({}, None), (None, None), ({"variants": "4"}, None)]
)
def test_it_says_how_many_pictures_were_asked_for(output: Any, variants: int | None) -> None:
    """As the request has it, so that a tile for each can be shown before any is painted."""
    topics = Topics()
    topics.ask("r-1", {**save(), "output": output})
    assert image_of(topics).summary()["variants"] == variants


@pytest.mark.parametrize(
    ("data", "lets_go"),
    [({"picture": None}, True), ({}, True), ({"picture": {"sha256": "0" * 64}}, False), ({"external": True}, False)],
)
def test_it_says_whether_a_choice_is_let_go_of(data: dict[str, Any], *, lets_go: bool) -> None:
    """The outcome may be the same as that of a picture of the site's own: declined by `external_choice`."""
    topics = Topics()
    topics.ask("r-1", decision(**data), type=names.IMAGE_CHOSEN)
    topics.ask("r-2", save())
    assert [image_of(topics, request).summary()["lets_go"] for request in ("r-1", "r-2")] == [lets_go, False]


def test_it_is_newer_than_a_position_before_any_of_its_records() -> None:
    """Who has its request but not its outcome is to get it again."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.announce("ready", "r-1", ordinal=1)
    image = image_of(topics)
    newer = {text: image.is_newer_than(parse_position(text)) for text in ("r0-0", "r0-1", "r0-1_o0-0", "r0-1_o0-1")}
    assert newer == {"r0-0": True, "r0-1": True, "r0-1_o0-0": True, "r0-1_o0-1": False}


def test_an_outcome_alone_is_a_request_too() -> None:
    """Its request is older than what is read: it is shown by what the outcome says."""
    topics = Topics()
    topics.announce("ready", "r-1", ordinal=1, revision=4)
    image = image_of(topics)
    assert (image.kind, image.slot, image.revision, image.source, image.request) == ("request", "hero", 4, "", {})


@pytest.mark.parametrize(("milliseconds", "told"), [
    (1_790_000_000_123, "2026-09-21T14:13:20.123Z"),
    (-1, "1969-12-31T23:59:59.999Z"),
    (2**63 - 1, "9999-12-31T23:59:59.000Z"),
])  # fmt: skip
def test_any_time_of_a_record_can_be_told(milliseconds: int, told: str) -> None:
    """Also one that a producer made up, on a topic that takes it: one article must not hide all others."""
    assert timestamp(milliseconds) == told
