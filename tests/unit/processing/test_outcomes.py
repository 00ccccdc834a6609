"""Outcomes, retries and dead letters as records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ports import MAX_RECORD_BYTES
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected, Transient
from consumer.jobs import Job, Lane, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import ImageFailed, ImageReady, ImageRequested, ReadyCrop, ReadyRendition, Reason, names
from schemas.cloudevents import Event, write
from schemas.ignored import unknown_fields

HEADERS = st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=4)
RECORDS = st.builds(
    Record,
    topic=st.just("article-image-requested"),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200),
    headers=HEADERS.map(tuple),
    timestamp_ms=st.just(1),
)
REFUSED = Rejected(Reason.INVALID_FIELD, "`output.width` is 5000: ask for fewer pixels.", field="output.width")


def outcomes(**settings: Any) -> OutcomeBuilder:
    return OutcomeBuilder(Settings.model_validate(settings))


def job(
    request_id: str = "r-1", partition: int = 3, unknown: Mapping[str, object] | None = None, **extensions: str
) -> Job:
    data = {"article": {"id": "a-1", "revision": 7, "headline": "Storm"}, **(unknown or {})}
    event = Event(id=request_id, source="/cms", type=names.IMAGE_REQUESTED, extensions=extensions, data=data)
    headers, value = write(event)
    record = Record("article-image-requested", partition, 5, b"a-1", value, tuple(headers), 1)
    return Job(event, ImageRequested.model_validate(data), record, Lane.LIVE, unknown_fields(data, ImageRequested))


def ready(recipe: str = "1" * 64) -> ImageReady:
    picture = {
        "index": 0,
        "url": "https://pictures.example/x.png",
        "key": "pictures/00/x.png",
        "sha256": "0" * 64,
        "bytes": 10,
        "media_type": "image/png",
        "width": 64,
        "height": 64,
        "seed": 1,
        "recipe": recipe,
    }
    data = {
        "request_id": "r-1",
        "article": {"id": "a-1", "revision": 7},
        "slot": "hero",
        "variation": 0,
        "prompt": "Storm",
        "alt": "Storm",
        "pictures": (picture,),
        "style": {"preset": "default", "version": 1},
        "model": {"name": "swatch", "sha256": "2" * 64},
        "reused": False,
        "seconds": {"queued": 0.0, "engine": 0.0, "stored": 0.0, "total": 0.0},
    }
    return ImageReady.model_validate(data)


def attributes(headers: tuple[tuple[str, bytes | None], ...]) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in headers}


def test_an_independent_reader_understands_the_outcome() -> None:
    """The cloudevents SDK reads what is announced: type, subject, cause and data."""
    (written,) = outcomes().ready(job(correlationid="flow-1"), ready(), {}).records
    headers = {name: value or b"" for name, value in written.headers}
    event = from_kafka(KafkaMessage(headers=headers, key=written.key, value=written.value or b""), JSONFormat())

    assert event.get_type() == names.IMAGE_READY
    assert event.get_subject() == "a-1"
    assert event.get_extension("causationid") == "r-1"
    assert event.get_extension("correlationid") == "flow-1"
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["article"] == {"id": "a-1", "revision": 7}


def test_the_same_outcome_is_the_same_event() -> None:
    """Equal request and recipes give an equal id; another request, recipe or kind gives another."""
    box = outcomes()

    def event_id(result: Any) -> str:
        return attributes(result.records[0].headers)["ce_id"]

    same = {event_id(box.ready(job(), ready(), {})) for _ in range(2)}
    others = {
        event_id(box.ready(job("r-2"), ready(), {})),
        event_id(box.ready(job(), ready("3" * 64), {})),
        event_id(box.failed(RetryState(job().record), REFUSED)),
    }

    assert len(same) == 1
    assert len(same | others) == 4


def test_everything_goes_to_the_partition_it_came_from() -> None:
    """Outcome, dead letter and fallback are written to the request's own partition number, under the prefix."""
    box = outcomes(topics={"prefix": "staging-"})
    results = [box.ready(job(partition=9), ready(), {}), box.failed(RetryState(job(partition=9).record), REFUSED)]
    outgoing = [written for result in results for written in result.records + result.fall_back().records]

    assert {written.partition for written in outgoing} == {9}
    assert {written.topic for written in outgoing} == {
        "staging-article-image-outcome",
        "staging-article-image-dead-letter",
    }


@pytest.mark.parametrize("value", [None, b"{"])
def test_a_failure_carries_the_flow_on(value: bytes | None) -> None:
    """Failures are what is traced: what the request said of its flow goes on, also where its value cannot be read."""
    asked = job(correlationid="flow-1", traceparent="00-1-2-03", priority="interactive").record
    outcome, _ = (
        outcomes().failed(RetryState(replace(asked, value=asked.value if value is None else value)), REFUSED).records
    )
    carried = {
        name: text for name, text in attributes(outcome.headers).items() if name.startswith(("ce_corr", "ce_tr"))
    }
    assert carried == {"ce_correlationid": "flow-1", "ce_traceparent": "00-1-2-03"}
    plain, _ = outcomes().failed(RetryState(job().record), REFUSED).records
    assert attributes(plain.headers)["ce_correlationid"] == "r-1"


def test_a_failure_names_field_reason_and_dead_letter() -> None:
    """A failed outcome, and its line in the log, say what is wrong; the event also where the record is kept."""
    result = outcomes().failed(RetryState(job().record), REFUSED)
    outcome, _ = result.records
    failed = ImageFailed.model_validate(json.loads(outcome.value or b""))

    assert result.facts["message"] == failed.message == REFUSED.message
    assert (failed.reason, failed.field, failed.retryable) == (Reason.INVALID_FIELD, "output.width", False)
    assert failed.dead_letter is not None
    assert (failed.dead_letter.topic, failed.dead_letter.partition) == ("article-image-dead-letter", 3)


def told(result: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(result.records[0].value)
    return data


def test_every_outcome_names_the_fields_that_were_not_understood() -> None:
    """Ready, superseded, expired and failed alike, and the line in the log; of other requests it has no such field."""
    box, asked = outcomes(), job(unknown={"otput": {"width": 64}, "mood": "calm"})
    late = replace(asked, event=replace(asked.event, extensions={"expirytime": "2026-11-23T08:15:00Z"}))
    failed = box.failed(RetryState(asked.record), REFUSED)

    for result in (box.ready(asked, ready(), {}), box.superseded(asked, 8), box.expired(late), failed):
        assert (told(result)["ignored"], told(result)["did_you_mean"]) == (["otput", "mood"], {"otput": "output"})
        assert result.facts["ignored"] == ("otput", "mood")
    for result in (box.ready(job(), ready(), {}), box.failed(RetryState(job().record), REFUSED)):
        assert (told(result)["ignored"], told(result)["did_you_mean"]) == ([], {})
        assert "ignored" not in result.facts


def test_our_own_failures_are_worth_another_try() -> None:
    """Only a rejection tells the CMS that sending the same again is useless."""
    outcome, _ = outcomes().failed(RetryState(job().record, 2), Transient(Reason.ENGINE_FAILED, "x" * 5000)).records
    failed = ImageFailed.model_validate(json.loads(outcome.value or b""))

    assert (failed.retryable, failed.attempts, len(failed.message)) == (True, 3, 1000)


@given(RECORDS)
def test_what_the_bus_refuses_still_leaves_a_mark(record: Record) -> None:
    """However a result falls back, its record has a dead letter: at the least its key and where it is."""
    fallback = outcomes().failed(RetryState(record), REFUSED).fall_back()
    mark = fallback.records[-1]
    ours = attributes(mark.headers)

    assert mark.topic == names.DEAD_LETTER
    assert (ours["leadart-omitted"], ours["leadart-offset"]) == ("value, headers", str(record.offset))
    assert sum(written.size for written in fallback.records) < 10_000


@pytest.mark.parametrize("key", [None, b"a-1"])
def test_what_was_not_read_leaves_a_mark_with_its_coordinates(key: bytes | None) -> None:
    """Of a record too large to read there is no value to keep: its dead letter says so, and what else is missing."""
    record = Record("article-image-requested", 3, 7, key, None, (), 5, not_read="too large to read")
    result = outcomes().failed(RetryState(record), Rejected(Reason.TOO_LARGE, record.not_read))
    letter = result.records[-1]
    ours = attributes(letter.headers)

    assert (letter.partition, letter.key, letter.value) == (3, key, b"")
    assert (ours["leadart-topic"], ours["leadart-offset"], ours["leadart-reason"]) == (record.topic, "7", "too_large")
    assert ours["leadart-omitted"] == ("value, headers" if key else "key, value, headers")
    assert ours["leadart-message"] == record.not_read
    assert [one.topic for one in result.records] == [*([names.OUTCOME] if key else []), names.DEAD_LETTER]


def test_a_refused_announcement_becomes_a_failure_and_a_dead_letter() -> None:
    """When the ready event itself is refused a failure is announced and the request is kept."""
    fallback = outcomes().ready(job(), ready(), {}).fall_back()

    assert [written.topic for written in fallback.records] == [names.OUTCOME, names.DEAD_LETTER]
    failed = ImageFailed.model_validate(json.loads(fallback.records[0].value or b""))
    assert failed.reason is Reason.ANNOUNCEMENT_REFUSED


def test_an_outcome_of_too_many_files_says_what_to_ask_for() -> None:
    """No topic's limit is to blame, and to send the request again would not help."""
    (picture,) = ready().pictures
    crop = ReadyCrop(x=0, y=0, width=64, height=64)
    address = "https://pictures.example/" + "signature" * 240
    file = ReadyRendition(
        name="thumb-64",
        set="thumb",
        width=64,
        height=64,
        media_type="image/webp",
        bytes=10,
        sha256="0" * 64,
        key="pictures/00/x.webp",
        url=address,
        crop=crop,
    )
    many = ready().model_copy(update={"pictures": (picture.model_copy(update={"renditions": (file,) * 576}),)})
    result = outcomes().ready(job(), many, {})
    failed = json.loads(result.fall_back().records[0].value or b"")

    assert result.size > MAX_RECORD_BYTES
    assert failed["message"].startswith(f"The outcome names 576 renditions in {result.size} bytes, and an event has at")
    assert "`output.renditions: thumbs`" in failed["message"]


@given(RECORDS)
def test_any_record_is_kept_as_it_came(record: Record) -> None:
    """Whatever a record holds, its dead letter has key, value and headers untouched, then ours."""
    result = outcomes().failed(RetryState(record), REFUSED)
    kept = result.records[-1]
    ours = attributes(kept.headers[len(record.headers) :])

    assert kept.headers[: len(record.headers)] == record.headers
    assert (kept.key, kept.value) == (record.key, record.value) or ours["leadart-null-value"] == "true"
    assert kept.key is not None or kept.value is not None, "aiokafka refuses a record of neither"
    assert (ours["leadart-topic"], ours["leadart-offset"]) == (record.topic, str(record.offset))
    assert (ours["leadart-reason"], ours["leadart-field"]) == ("invalid_field", "output.width")


@given(RECORDS, st.integers(0, 2), st.integers(1, 2**41))
def test_a_retry_says_everything_and_gives_the_record_back(record: Record, attempts: int, now: int) -> None:
    """What a retry lane holds is taken apart again into the publisher's record and its history, whatever it holds."""
    settings = Settings()
    retries, error = retry_policy(settings), Transient(Reason.ENGINE_FAILED, "the engine died")
    schedule = retries.next_attempt(RetryState(record, attempts), now)
    assert schedule is not None
    (written,) = outcomes().retry(RetryState(record, attempts), error, schedule).records
    there = Record(written.topic, written.partition, 0, written.key, written.value, written.headers, now)

    assert written.partition == record.partition
    assert retries.unwrap(there) == RetryState(record, attempts + 1, now, schedule.due_ms)
    assert attributes(written.headers[len(record.headers) :])["leadart-reason"] == "engine_failed"


def test_a_dead_letter_after_retries_is_the_publishers_record() -> None:
    """However often a request was tried, its dead letter holds what was published and where, not our retries of it."""
    retries, original = retry_policy(Settings()), job().record
    error, state = Transient(Reason.ENGINE_FAILED, "x"), RetryState(job().record)
    while (schedule := retries.next_attempt(state, 1_000)) is not None:
        (written,) = outcomes().retry(state, error, schedule).records
        state = retries.unwrap(Record(written.topic, 3, 77, written.key, written.value, written.headers, 2_000))
    kept = outcomes().failed(state, error).records[-1]
    ours = attributes(kept.headers[len(original.headers) :])

    assert (kept.key, kept.value, kept.headers[: len(original.headers)]) == (
        original.key,
        original.value,
        original.headers,
    )
    assert (ours["leadart-topic"], ours["leadart-offset"], ours["leadart-attempts"]) == (original.topic, "5", "4")


def test_other_renditions_are_another_event() -> None:
    """A replay after the site changed its sets, or with another focal point, must not look like a repeat."""
    plain = ready()
    crop = ReadyCrop(x=0, y=0, width=64, height=36)

    def rendered(sha256: str) -> ImageReady:
        rendition = ReadyRendition(
            name="hero-64",
            set="hero",
            width=64,
            height=36,
            media_type="image/webp",
            bytes=9,
            sha256=sha256,
            key="k",
            url="u",
            crop=crop,
        )
        (picture,) = plain.pictures
        return plain.model_copy(update={"pictures": (picture.model_copy(update={"renditions": (rendition,)}),)})

    events = [plain, rendered("1" * 64), rendered("2" * 64), rendered("1" * 64)]
    built = [outcomes().ready(job(), event, {}).records[0] for event in events]
    ids = [attributes(one.headers)["ce_id"] for one in built]
    assert len(set(ids)) == 3
    assert ids[1] == ids[3]
