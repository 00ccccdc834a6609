"""Our CloudEvents binding against the `cloudevents` SDK, an independent reader and writer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_binary_event,
    from_kafka_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import ContractError, ImageRequested, Reason, names
from schemas.cloudevents import Event, read, write
from schemas.reader import parse_request

DATA: dict[str, Any] = {"article": {"id": "a-1", "revision": 7, "headline": "台风"}}
SAVED = Event(
    id="save-1",
    source="/cms/newsroom",
    type=names.IMAGE_REQUESTED,
    subject="a-1",
    time=datetime(2026, 11, 23, 8, 15, 0, 500, tzinfo=UTC),
    dataschema=names.dataschema(names.IMAGE_REQUESTED),
    extensions={"partitionkey": "a-1", "traceparent": "00-4bf9-00f0-01"},
    data=DATA,
)

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=20)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    subject=TEXT,
    time=st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))),
    extensions=st.dictionaries(st.sampled_from(["partitionkey", "correlationid", "x1"]), TEXT),
    data=st.dictionaries(TEXT, st.integers(-(2**53), 2**53) | TEXT | st.none() | st.booleans(), min_size=1, max_size=3),
)


def sdk_event(event: Event) -> CloudEvent:
    attributes: dict[str, Any] = {"id": event.id, "source": event.source, "type": event.type, "specversion": "1.0"}
    optional = {
        "subject": event.subject,
        "time": event.time,
        "dataschema": event.dataschema,
        "datacontenttype": event.datacontenttype,
    }
    attributes |= {name: value for name, value in optional.items() if value is not None}
    data = event.data if isinstance(event.data, dict) else None
    return CloudEvent({**attributes, **event.extensions}, data)


def message(event: Event) -> KafkaMessage:
    headers, value = write(event)
    assert len(dict(headers)) == len(headers)
    return KafkaMessage(headers=dict(headers), key=None, value=value)


@given(EVENTS)
@settings(deadline=None)
def test_the_sdk_reads_what_we_write(event: Event) -> None:
    """An independent reader gets every attribute and the data unchanged."""
    heard = from_binary_event(message(event))
    assert (heard.get_id(), heard.get_source(), heard.get_type()) == (event.id, event.source, event.type)
    assert (heard.get_subject(), heard.get_time(), heard.get_data()) == (event.subject, event.time, event.data)
    assert {name: heard.get_extension(name) for name in event.extensions} == event.extensions


@given(EVENTS)
@settings(deadline=None)
def test_we_read_what_the_sdk_writes(event: Event) -> None:
    """Binary and structured records of an independent writer are read as the same event."""
    for write_foreign in (to_binary_event, to_structured_event):
        foreign = write_foreign(sdk_event(event))
        assert read(foreign.headers.items(), foreign.value) == event


@pytest.mark.parametrize("write_foreign", [to_binary_event, to_structured_event])
def test_a_request_from_the_sdk_is_read(write_foreign: Callable[[CloudEvent], KafkaMessage]) -> None:
    """The SDK's key mapper turns the partition key into the required record key."""
    foreign = write_foreign(sdk_event(SAVED))
    assert isinstance(foreign.key, str)
    event, request = parse_request(foreign.key.encode(), foreign.headers.items(), foreign.value)
    assert event == SAVED
    assert isinstance(request, ImageRequested)
    assert request.article.headline == "台风"


def test_trap_structured_record_with_a_copied_header() -> None:
    """The specification allows it; the SDK reads it as binary and fails, while our content type decides."""
    foreign = to_structured_event(sdk_event(SAVED))
    copied = KafkaMessage({**foreign.headers, "ce_id": b"save-1"}, foreign.key, foreign.value)
    with pytest.raises(Exception, match="Missing required attribute"):
        from_kafka_event(copied)
    assert read(copied.headers.items(), copied.value) == SAVED


def test_trap_key_that_is_not_utf8() -> None:
    """The SDK raises a bare UnicodeDecodeError; our reader gives a reason."""
    headers, value = write(SAVED)
    with pytest.raises(UnicodeDecodeError):
        from_binary_event(KafkaMessage(dict(headers), b"\xff", value))
    with pytest.raises(ContractError) as caught:
        parse_request(b"\xff", headers, value)
    assert caught.value.reason is Reason.WRONG_KEY


def test_trap_value_that_is_not_json() -> None:
    """The SDK raises a bare JSONDecodeError or returns text as data; our reader gives a reason."""
    structured = [("content-type", b"application/cloudevents+json")]
    with pytest.raises(json.JSONDecodeError):
        from_kafka_event(KafkaMessage(dict(structured), None, b"{"))
    assert from_binary_event(KafkaMessage(dict(write(SAVED)[0]), None, b"{")).get_data() == "{"
    for headers in (structured, write(SAVED)[0]):
        with pytest.raises(ContractError) as caught:
            read(headers, b"{")
        assert caught.value.reason is Reason.NOT_JSON


def test_trap_missing_content_type() -> None:
    """The SDK omits the header without a type: our reader takes that as JSON, and our writer always sets it."""
    attributes = {"id": "1", "source": "/cms", "type": "t", "subject": "a"}
    foreign = to_binary_event(CloudEvent(attributes, {"a": 1}))
    assert "content-type" not in foreign.headers
    heard = read(foreign.headers.items(), foreign.value)
    assert (heard.data, heard.datacontenttype) == ({"a": 1}, "application/json")
    assert dict(write(heard)[0])["content-type"] == b"application/json"


def test_trap_key_that_differs_from_the_partition_key() -> None:
    """The SDK overwrites the attribute with the record key; our reader keeps the publisher's attribute."""
    headers, value = write(SAVED)
    assert from_binary_event(KafkaMessage(dict(headers), "other", value)).get_extension("partitionkey") == "other"
    assert read(headers, value).extensions["partitionkey"] == "a-1"


def test_trap_duplicate_headers() -> None:
    """They vanish in the SDK's mapping; our reader sees the record's list and refuses them."""
    headers, value = write(SAVED)
    twice = [*headers, ("ce_id", b"other")]
    assert from_binary_event(KafkaMessage(dict(twice), None, value)).get_id() == "other"
    with pytest.raises(ContractError) as caught:
        read(twice, value)
    assert caught.value.reason is Reason.DUPLICATE_HEADER
