"""Which records of the lanes a control may be for."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.admin.queued import traits_of
from consumer.delivery.retry import RetryPolicy
from consumer.jobs import Record
from consumer.kafka.topics import retry_policy
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import Event, write

PICTURE = {"sha256": "0" * 64}


@pytest.fixture
def retries() -> RetryPolicy:
    return retry_policy(Settings())


def record(event_type: str, **data: Any) -> Record:
    article = {"id": "a-1", "revision": 1} | data.pop("article", {})
    headers, value = write(Event(id="1", source="/cms", type=event_type, data={"article": article, **data}))
    return Record(names.BACKFILL, 0, 7, b"a-1", value, tuple(headers), 0)


@pytest.mark.parametrize(
    ("asked", "section"),
    [
        (record(names.IMAGE_REQUESTED, article={"headline": "Storm", "section": "Sports"}), "Sports"),
        (record(names.IMAGE_RECROP_REQUESTED, picture=PICTURE), None),
    ],
)
def test_a_request_for_pictures_has_traits(asked: Record, section: str | None, retries: RetryPolicy) -> None:
    """It can be held and called off."""
    traits = traits_of(asked, retries)

    assert traits is not None
    assert (traits.topic, traits.offset, traits.section) == (names.BACKFILL, 7, section)


@pytest.mark.parametrize(
    "decided",
    [
        record(names.IMAGE_CHOSEN, picture=PICTURE),
        record(names.IMAGE_APPROVED),
        Record(names.BACKFILL, 0, 7, b"a-1", b"garbage", (), 0),
        *[
            Record(names.BACKFILL, 0, 7, b"a-1", value, tuple(headers), 0)
            for each in (names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED)
            for headers, value in [write(Event(id="1", source="/cms", type=each, data={"article": {"id": "a-1"}}))]
        ],
    ],
)
def test_a_decision_has_none(decided: Record, retries: RetryPolicy) -> None:
    """It is never called off, so `leadart replay cancel` does not count it; nor what is no event at all."""
    assert traits_of(decided, retries) is None
