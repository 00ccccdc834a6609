"""From a raw record to a job and its claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consumer.delivery.heads import Slot
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected
from consumer.jobs import Lane
from consumer.processing.reading import claim_of, job_of, parsed
from schemas import Reason, names
from schemas.editorial import ArticleWithdrawn
from schemas.requests import PictureRequest
from tests.support.editorial import PICTURES, chosen, job_at, record_of

PROMPT = {"prompt": "Storm"}


def test_a_record_is_read_as_its_type_says() -> None:
    """A withdrawal is no request for pictures."""
    record = record_of(names.ARTICLE_WITHDRAWN, {"article": {"id": "a-1"}}, 4)
    event, request = parsed(RetryState(record))

    assert (event.id, event.source) == ("e-4", "/cms")
    assert isinstance(request, ArticleWithdrawn)
    assert not isinstance(request, PictureRequest)


def test_what_breaks_the_contract_is_refused_with_its_field() -> None:
    """The reason and the field of the contract's own sentence."""
    record = record_of(names.IMAGE_CHOSEN, {"article": {"id": "a-1"}, "picture": None}, 4)
    with pytest.raises(Rejected) as refused:
        parsed(RetryState(record))

    assert (refused.value.reason, refused.value.field) == (Reason.MISSING_FIELD, "article.revision")


def test_a_record_that_was_not_read_is_refused_unparsed() -> None:
    """With the reason for which it was not."""
    record = replace(record_of(names.IMAGE_CHOSEN, {}, 4), not_read="It is too large.")
    with pytest.raises(Rejected, match="too large"):
        parsed(RetryState(record))


@pytest.mark.parametrize(
    ("data", "variation", "fresh"),
    [
        ({}, 0, False),
        ({"generation": {"variation": 3}}, 3, False),
        ({"reason": "backfill"}, 0, False),
        ({"reason": "regenerate"}, None, True),
        ({"reason": "regenerate", "generation": {"variation": 0}}, 0, True),
    ],
)
def test_a_save_claims_the_variation_that_it_names(data: dict[str, Any], variation: int | None, *, fresh: bool) -> None:
    """Variation 0 without one; the slot's next one only if it asks to regenerate, which paints beside a choice, too."""
    claim = claim_of(job_at(4, names.IMAGE_REQUESTED, brief=PROMPT, **data))

    assert (claim.slot, claim.revision, claim.source, claim.request_id) == (Slot("a-1", "hero"), 1, "/cms", "e-4")
    assert (claim.variation, claim.fresh, claim.picture) == (variation, fresh, None)
    assert (claim.supersedes, claim.time_ms) == (True, 1_000)


def test_a_re_crop_claims_its_picture() -> None:
    """So that the owner can tell whether it is the chosen one."""
    data = {"picture": {"sha256": PICTURES["a"][0]}, "slot": "teaser"}
    claim = claim_of(job_at(4, names.IMAGE_RECROP_REQUESTED, **data))

    assert claim.picture is not None
    assert (claim.slot, claim.picture.sha256) == (Slot("a-1", "teaser"), PICTURES["a"][0])
    assert (claim.variation, claim.fresh) == (0, False)


def test_an_editor_waits_for_a_choice() -> None:
    """It is served with what is interactive."""
    assert chosen(4, "a").lane is Lane.INTERACTIVE


def test_a_retried_record_stays_the_publishers() -> None:
    """The job is of the record that was published, in the lane of what is retried; unknown fields are named."""
    record = record_of(
        names.IMAGE_REQUESTED, {"article": {"id": "a-1", "revision": 1}, "brief": PROMPT, "mood": "calm"}, 4
    )
    original = record
    state = RetryState(original, attempts=1)
    event, request = parsed(state)
    assert isinstance(request, PictureRequest)
    job = job_of(replace(record, topic=names.RETRY_1M, offset=77), state, event, request)

    assert (job.lane, job.record, job.ignored.ignored) == (Lane.RETRY, original, ("mood",))
