"""What goes into the lane is the original, and is known there again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.dead_letters.dead_letter import DeadLetterRecord, parse_record
from consumer.admin.replay.replayed_record import (
    FIRST_FORCED,
    build_forced,
    build_replayed,
    new_variation,
)
from consumer.delivery.replay_origin import ReplayOrigin, parse_origin
from consumer.delivery.retry import RetrySchedule, RetryState
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.kafka.topics import retry_policy
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import ImageRequested, Reason, names
from schemas.cloudevents import Event, write
from schemas.reader import parse_request

OURS = [f"leadart-{name}" for name in ("topic", "replay-id", "replay-topic", "replay-partition", "replay-offset")]
HEADERS = st.lists(st.tuples(st.sampled_from(OURS) | st.text(max_size=9), st.none() | st.binary(max_size=9))).map(tuple)
RECORDS = st.builds(
    Record,
    topic=st.just(names.REQUESTED),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=9),
    value=st.binary(max_size=50),
    headers=HEADERS,
    timestamp_ms=st.integers(0, 2**41),
)
FAILURE = Rejected(Reason.INVALID_FIELD, "It is so.", field="output.width")


def landed(record: Record, replay: str = "r1") -> Record:
    """Return a replayed record as the lane holds it."""
    letter = build_replayed(record, record.headers, names.BACKFILL, replay)
    return Record(letter.topic, letter.partition, 7, letter.key, letter.value, letter.headers, 9)


@given(RECORDS)
def test_the_original_is_untouched_and_its_place_is_told(record: Record) -> None:
    """Key, value, partition and headers are the publisher's, whatever it sent; the last block is ours."""
    lane = landed(record)

    assert (lane.key, lane.value, lane.partition) == (record.key, record.value, record.partition)
    assert parse_origin(lane.headers) == ReplayOrigin("r1", record.topic, record.partition, record.offset)
    if parse_origin(record.headers) is None:
        assert lane.headers[: len(record.headers)] == record.headers
    again = landed(lane, "r2")
    assert len(again.headers) == len(lane.headers)
    assert parse_origin(again.headers) == ReplayOrigin("r2", names.BACKFILL, record.partition, 7)


@given(RECORDS)
def test_a_worker_takes_it_for_a_first_try(record: Record) -> None:
    """Retries and dead letters of a replayed record give it back as it lay in the lane, its block included."""
    settings, lane = Settings(), landed(record)
    assert retry_policy(settings).unwrap(lane) == RetryState(lane)

    letter = OutcomeBuilder(settings).retry(RetryState(lane), FAILURE, RetrySchedule(names.RETRY_1M, 5, 6)).records[0]
    waiting = Record(letter.topic, letter.partition, 3, letter.key, letter.value, letter.headers, 6)
    assert retry_policy(settings).unwrap(waiting).original == lane

    letter = OutcomeBuilder(settings).failed(RetryState(lane), FAILURE).records[-1]
    dead = parse_record(Record(letter.topic, letter.partition, 3, letter.key, letter.value, letter.headers, 6))
    assert isinstance(dead, DeadLetterRecord)
    assert dead.original == lane


def request(*, structured: bool, **generation: object) -> Record:
    data = {"article": {"id": "a-1", "revision": 7, "headline": "Storm"}, "later": {"kept": [1, None]}}
    if generation:
        data["generation"] = dict(generation)
    event = Event(id="e-1", source="/cms", type=names.IMAGE_REQUESTED, data=data, extensions={"traceparent": "00-1"})
    headers, value = write(event)
    if structured:
        attributes = {"specversion": "1.0", "id": "e-1", "source": "/cms", "type": event.type, "traceparent": "00-1"}
        value = json.dumps({**attributes, "data": data}).encode()
        headers = [("content-type", b"application/cloudevents+json; charset=utf-8"), ("x-own", b"1")]
    return Record(names.REQUESTED, 3, 5, b"a-1", value, tuple(headers), 1)


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("generation", [{}, {"variation": 4, "steps": None}, {"seed": 11}])
def test_a_forced_request_is_the_same_but_for_variation_and_identity(
    structured: bool,  # noqa: FBT001 - a parameter of the test
    generation: dict[str, object],
) -> None:
    """New variation, new id, the original's id as correlation; all else as it was, and the same when made again."""
    record = request(structured=structured, **generation)
    event, asked = parse_request(record.key, record.headers, record.value)
    assert isinstance(asked, ImageRequested)
    lane, at = landed(record), ReplayOrigin("r1", record.topic, record.partition, record.offset)
    letter = build_replayed(record, record.headers, names.BACKFILL, "r1")
    new = build_forced(letter, event, asked, at)
    new_event, new_asked = parse_request(new.key, new.headers, new.value)
    assert isinstance(new_asked, ImageRequested)

    assert new == build_forced(letter, event, asked, at)
    assert parse_origin(new.headers) == parse_origin(lane.headers) == at
    assert new_event.id not in {event.id, build_forced(letter, event, asked, replace(at, replay="r2")).value}
    assert new_event.extensions == {**event.extensions, "correlationid": "e-1"}
    assert (new_event.source, new_event.type) == (event.source, event.type)
    variation = new_asked.generation.variation
    assert new_asked == asked.model_copy(
        update={"generation": asked.generation.model_copy(update={"variation": variation})}
    )
    assert isinstance(new_event.data, dict)
    assert new_event.data["later"] == {"kept": [1, None]}


@given(st.text(), st.integers(0, 999))
def test_a_forced_variation_is_another_and_out_of_the_editors_way(replay: str, own: int) -> None:
    """It is never the request's own, within the contract, and above those that people count up."""
    assert FIRST_FORCED <= new_variation(replay, own) <= 999
    assert new_variation(replay, own) != own
