"""`schemas.outcomes`: what may be announced."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schemas import (
    ANNOUNCEMENTS,
    Announcement,
    ArticleRevision,
    FailedArticle,
    ImageExpired,
    ImageFailed,
    ImageProgress,
    ImageReady,
    OutcomeKind,
    ReadyModel,
    Reason,
    names,
)
from schemas.outcomes import Outcome, Ruled
from schemas.publish import event_schemas

ARTICLE = ArticleRevision(id="a-1", revision=7)


def failed() -> ImageFailed:
    return ImageFailed(
        request_id=None,
        article=FailedArticle(id="a-1"),
        slot=None,
        reason=Reason.NOT_JSON,
        message="No.",
        retryable=False,
        attempts=1,
    )


def test_every_announcement_knows_its_type() -> None:
    """The types are the contract's, one for each model."""
    assert [model.type for model in ANNOUNCEMENTS] == [
        names.IMAGE_READY,
        names.IMAGE_FAILED,
        names.IMAGE_SUPERSEDED,
        names.IMAGE_EXPIRED,
        names.IMAGE_DECLINED,
        names.IMAGE_HELD,
        names.IMAGE_WITHDRAWN,
        names.IMAGE_CANCELLED,
        names.IMAGE_PROGRESS,
    ]


def test_outcome_kinds_are_the_announcements_that_end_a_request() -> None:
    """Each kind has its event type; progress ends nothing."""
    assert [kind.event_type for kind in OutcomeKind] == [
        model.type for model in ANNOUNCEMENTS if model is not ImageProgress
    ]


def test_every_field_is_announced() -> None:
    """A field without a value is present and null, so that subscribers need not check for it."""
    assert json.loads(failed().model_dump_json()) == {
        "request_id": None,
        "article": {"id": "a-1", "revision": None},
        "slot": None,
        "ignored": [],
        "did_you_mean": {},
        "reason": "not_json",
        "message": "No.",
        "field": None,
        "retryable": False,
        "attempts": 1,
        "dead_letter": None,
    }


def test_a_later_field_is_always_written_and_never_required() -> None:
    """It is in every new event, and the new schema still accepts older ones."""
    schema = event_schemas()[names.IMAGE_READY]
    model = schema["$defs"]["ReadyModel"]

    later = {"prompt_cut", "disclosure", "ignored", "did_you_mean", "policy"}
    later |= {"ordinal", "chosen", "kept", "offers", "caption"}

    assert (
        schema["properties"].keys() - set(schema["required"]) == ImageReady.later | Outcome.later | Ruled.later == later
    )
    assert (
        model["properties"].keys() - set(model["required"])
        == ReadyModel.later
        == {"coverage", "quantization", "adapters"}
    )
    assert ReadyModel(name="base", sha256="0" * 64).model_dump(mode="json") == {
        "name": "base",
        "sha256": "0" * 64,
        "coverage": None,
        "quantization": None,
        "adapters": [],
    }


@pytest.mark.parametrize("model", ANNOUNCEMENTS)
def test_nothing_outside_the_contract_is_announced(model: type[Announcement]) -> None:
    """An unknown field is refused at any level."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({"mood": "calm", "article": {"id": "a-1", "revision": 1, "mood": "calm"}})


def test_announcements_do_not_change() -> None:
    """An announcement is written as it was created."""
    with pytest.raises(ValidationError, match="frozen"):
        failed().message = "Yes."  # type: ignore[misc]


def test_times_are_written_with_their_offset() -> None:
    """Subscribers need not guess the zone, and a time without one is refused."""
    moment = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
    expired = ImageExpired(request_id="1", article=ARTICLE, slot="hero", expired_at=moment)
    assert expired.model_dump(mode="json")["expired_at"] == "2026-11-23T08:15:00Z"
    with pytest.raises(ValidationError, match="timezone"):
        ImageExpired(request_id="1", article=ARTICLE, slot="hero", expired_at=moment.replace(tzinfo=None))


def test_stages_are_the_known_ones() -> None:
    """No stage outside the contract is announced, although subscribers must expect more."""
    with pytest.raises(ValidationError, match="stage"):
        ImageProgress.model_validate({"request_id": "1", "article": ARTICLE, "slot": "hero", "stage": "dreaming"})
