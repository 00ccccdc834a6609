"""Records of an article and of a request are found however their publisher wrote them, and no others."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.admin.dead_letters.dead_letter import DeadLetterState, build_mark, parse_record
from consumer.admin.trace.filters import ArticleFilter, HeadFilter, LetterFilter, RequestFilter
from consumer.delivery.controls import controls_key
from consumer.delivery.heads import Slot, head_key
from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import Reason, names
from schemas.cloudevents import Event, write
from tests.support import announcements
from tests.support.harness import request_data

ARTICLE = "news/Zürich-1"
DATA = request_data(ARTICLE)
ATTRIBUTES = {"specversion": "1.0", "id": "r-1", "source": "/cms", "type": names.IMAGE_REQUESTED}
ENVELOPE = (("content-type", b"application/cloudevents+json"),)


def record(key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    return Record(names.REQUESTED, 3, 7, key, value, headers, 1_000)


def binary(data: Any, *, key: bytes | None = ARTICLE.encode(), request_id: str = "r-1") -> Record:
    headers, value = write(Event(id=request_id, source="/cms", type=names.IMAGE_REQUESTED, data=data))
    return record(key, value, tuple(headers))


def enveloped(**data: Any) -> Record:
    return record(b"x", json.dumps({**ATTRIBUTES, **data}).encode(), ENVELOPE)


FOUND = {
    "under its key": binary(DATA),
    "with a value that is no JSON": record(ARTICLE.encode(), b"\xff"),
    "with no value": record(ARTICLE.encode(), None),
    "under a quoted key": record(json.dumps(ARTICLE).encode(), b"{}"),
    "under another key": binary(DATA, key=b"4711"),
    "without a key, escaped": record(None, json.dumps(DATA).encode()),
    "in an envelope": enveloped(data=DATA),
    "in base64": enveloped(data_base64=base64.b64encode(json.dumps(DATA).encode()).decode()),
    "written by PHP": record(b"x", json.dumps(DATA).replace("/", "\\/").encode()),
}
OTHERS = {
    "another article": binary(request_data("news/other"), key=b"news/other"),
    "an article whose text names it": binary(request_data("b", article={"headline": ARTICLE}), key=b"b"),
    "an article with a longer id": binary(request_data(f"{ARTICLE}0"), key=f"{ARTICLE}0".encode()),
    "nothing": record(None, None),
}


@pytest.mark.parametrize("how", FOUND)
def test_an_article_is_found(how: str) -> None:
    """By its key, however that is wrapped, or by the article id in the data under any other key."""
    assert ArticleFilter(ARTICLE).matches(FOUND[how])


@pytest.mark.parametrize("how", OTHERS)
def test_other_articles_are_not(how: str) -> None:
    """An id within another text is no reason."""
    assert not ArticleFilter(ARTICLE).matches(OTHERS[how])


def test_a_request_is_found_in_all_its_records() -> None:
    """As published, as an envelope, and in its outcome, but not in outcomes that only name it."""
    wanted = RequestFilter("r-1")
    outcome = announcements.record("ready", request="r-1")
    alien = announcements.record("ready", request="r-2", correlation="r-1")

    assert all(map(wanted.matches, (binary(DATA), enveloped(data=DATA), outcome)))
    assert not any(map(wanted.matches, (binary(DATA, request_id="r-10"), alien, record(None, None))))


def as_read(written: OutgoingRecord, offset: int) -> Record:
    return Record(written.topic, written.partition, offset, written.key, written.value, written.headers, 2_000)


def test_dead_letters_come_with_their_marks() -> None:
    """A mark has only the key of the original: it is found by the dead letter that it is about."""
    original = binary(DATA, key=b"4711")
    failed = OutcomeBuilder(Settings()).failed(RetryState(original), Rejected(Reason.WRONG_KEY, "No."))
    letter = as_read(failed.records[-1], 5)
    parsed = parse_record(letter)
    mark = as_read(build_mark(parsed, names.DEAD_LETTER, DeadLetterState.PURGED, datetime.now(UTC)), 6)  # type: ignore[arg-type]
    wanted = LetterFilter(ArticleFilter(ARTICLE))

    assert [wanted.matches(one) for one in (replace(mark, offset=4), letter, mark)] == [False, True, True]
    assert not wanted.matches(replace(mark, partition=2))


def test_heads_are_those_of_the_group_and_the_article() -> None:
    """Also a head's deletion counts, and what operators paused; another group's do not."""
    wanted = HeadFilter("leadart", ARTICLE)
    slots = {"ours": head_key("leadart", Slot(ARTICLE, "hero")), "theirs": head_key("other", Slot(ARTICLE, "hero"))}

    assert wanted.matches(record(slots["ours"], None))
    assert not wanted.matches(record(slots["theirs"], b"{}"))
    assert wanted.matches(record(controls_key("leadart"), b"{}"))
    assert not wanted.matches(record(controls_key("other"), b"{}"))
    assert not wanted.matches(record(b"[]", b"{}"))
