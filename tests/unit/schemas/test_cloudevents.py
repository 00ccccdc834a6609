"""`schemas.cloudevents`: reading and writing events."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import ContractError, Reason
from schemas.cloudevents import EVENT_BYTES, Event, attribute_name, is_json, read, write
from schemas.serializers import plain

BINARY: Sequence[tuple[str, bytes]] = (
    ("content-type", b"application/json"),
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/cms"),
    ("ce_type", b"t"),
)
STRUCTURED: Sequence[tuple[str, bytes]] = (("content-type", b"application/cloudevents+json"),)
WHOLE: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/cms", "type": "t"}


def refusal(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read(headers, value)
    return caught.value


def complaint(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> str:
    try:
        read(headers, value)
    except ContractError as error:
        return error.message
    return "Fine."


def whole(**members: Any) -> bytes:
    return json.dumps({**WHOLE, **members}).encode()


def without(name: str) -> list[tuple[str, bytes]]:
    return [(header, value) for header, value in BINARY if header != name]


def test_binary_mode_is_read() -> None:
    """Attributes come from the headers, data from the value; other headers are ignored."""
    headers = [*BINARY, ("ce_subject", b"a-1"), ("ce_partitionkey", "文".encode()), ("trace", b"\xff"), ("empty", None)]
    assert read(headers, b'{"a":1}') == Event("1", "/cms", "t", "a-1", extensions={"partitionkey": "文"}, data={"a": 1})


def test_structured_mode_is_read() -> None:
    """Attributes and data come from the document; null members count as absent."""
    value = whole(subject="a-1", time="2026-11-23T08:15:00Z", partitionkey="a-1", traceparent=None, data={"a": 1})
    moment = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
    assert read(STRUCTURED, value) == Event(
        "1", "/cms", "t", "a-1", moment, extensions={"partitionkey": "a-1"}, data={"a": 1}
    )


def test_a_structured_record_may_carry_copied_headers() -> None:
    """The content type decides the mode, whether or not there are `ce_` headers, and the document counts."""
    assert read([*STRUCTURED, ("ce_id", b"copied"), ("ce_type", b"t")], whole(data={})).id == "1"


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"APPLICATION/CloudEvents+JSON", b"application/cloudevents+json; charset=UTF-8"],
)
def test_the_prefix_decides_the_mode_in_any_case(content_type: bytes) -> None:
    """Case and parameters of the content type do not matter."""
    assert read([("content-type", content_type)], whole(data=[1])).data == [1]


def test_header_names_are_read_in_any_case() -> None:
    """Some clients title-case header names."""
    assert read([(name.title(), value) for name, value in BINARY], b"{}").id == "1"


def test_without_a_content_type_binary_data_is_json() -> None:
    """Producers that omit the header, as one SDK does, mean JSON."""
    assert read(without("content-type"), b"[1]") == Event("1", "/cms", "t", data=[1])


@pytest.mark.parametrize("content_type", [b"application/avro", b"text/plain", b"application/octet-stream"])
def test_data_that_is_not_json_stays_bytes(content_type: bytes) -> None:
    """Data is parsed only if the content type is JSON."""
    event = read([*without("content-type"), ("content-type", content_type)], b"\x00\xff")
    assert (event.data, event.datacontenttype) == (b"\x00\xff", content_type.decode())


@pytest.mark.parametrize(
    ("content_type", "answer"),
    [
        ("application/json", True),
        ("text/json", True),
        ("application/vnd.cms+JSON; charset=utf-8", True),
        ("application/jsonp", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_json_content_types(content_type: str, *, answer: bool) -> None:
    """`*/json` and `*/*+json` are JSON, in any case and with any parameters."""
    assert is_json(content_type) is answer


def test_base64_data_is_decoded() -> None:
    """`data_base64` is JSON if the content type says so, otherwise bytes."""
    encoded = base64.b64encode(b'{"a":1}').decode()
    assert read(STRUCTURED, whole(data_base64=encoded)).data == {"a": 1}
    assert read(STRUCTURED, whole(data_base64=encoded, datacontenttype="image/png")).data == b'{"a":1}'


def test_text_data_of_a_structured_event_becomes_its_bytes() -> None:
    """Data that is not JSON is the same in both modes."""
    assert read(STRUCTURED, whole(data="<a/>", datacontenttype="application/xml")).data == b"<a/>"


def test_extensions_of_other_types_become_text() -> None:
    """Numbers and booleans of the JSON format become their JSON text."""
    assert read(STRUCTURED, whole(sampled=True, sequence=42)).extensions == {"sampled": "true", "sequence": "42"}


def test_a_tombstone_is_refused() -> None:
    """A record without a value is not a request; an empty value is not JSON."""
    assert refusal(BINARY, None).reason is Reason.TOMBSTONE
    assert refusal(STRUCTURED, None).reason is Reason.TOMBSTONE
    assert refusal(BINARY, b"").reason is Reason.NOT_JSON


def test_the_size_is_limited_before_anything_is_parsed() -> None:
    """64 KiB is read, one byte more is not."""
    filler = b'"' + b"x" * (EVENT_BYTES - 2) + b'"'
    assert read(BINARY, filler).data == "x" * (EVENT_BYTES - 2)
    assert refusal(BINARY, filler + b" ").reason is Reason.TOO_LARGE


@pytest.mark.parametrize("content_type", [b"application/json", b"application/json; charset=utf-8"])
def test_equal_content_types_in_both_headers_are_accepted(content_type: bytes) -> None:
    """SmallRye's and JavaScript's clients send `ce_datacontenttype` with the same value as the binding's own header."""
    headers = [one for one in BINARY if one[0] != "content-type"]
    both = [*headers, ("ce_datacontenttype", content_type), ("content-type", content_type)]
    assert read(both, b"{}") == read([*headers, ("content-type", content_type)], b"{}")
    error = refusal([*headers, ("content-type", content_type), ("ce_datacontenttype", b"text/plain")], b"{}")
    assert (error.reason, error.field) == (Reason.DUPLICATE_HEADER, "ce_datacontenttype")
    assert "`content-type` and `ce_datacontenttype` differ" in error.message


@pytest.mark.parametrize("header", ["ce_id", "CE_ID", "content-type", "Content-Type"])
def test_an_attribute_set_twice_is_refused(header: str) -> None:
    """Two headers for one attribute are ambiguous, in any case, even if they agree."""
    value = dict(BINARY).get(header.lower(), b"application/json")
    error = refusal([*BINARY, (header, value)], b"{}")
    assert (error.reason, error.field) == (Reason.DUPLICATE_HEADER, header)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_missing_attribute_is_named(name: str) -> None:
    """In both modes the message names the attribute that is missing."""
    binary = refusal(without(f"ce_{name}"), b"{}")
    structured = refusal(STRUCTURED, whole(**{name: None}))
    assert (binary.reason, binary.field) == (structured.reason, structured.field) == (Reason.NOT_CLOUDEVENT, name)


@pytest.mark.parametrize("prefix", ["ce-", "Ce-", "cloudEvents_", "cloudEvents:"])
def test_another_transports_spelling_is_named(prefix: str) -> None:
    """Bridges from HTTP and AMQP keep the names that attributes have there."""
    headers = [(header.replace("ce_", prefix), value) for header, value in BINARY]
    error = refusal(headers, b"{}")
    assert (error.reason, error.field) == (Reason.NOT_CLOUDEVENT, "specversion")
    assert f"not as another transport does (`{prefix}specversion`)" in error.message


@pytest.mark.parametrize("version", [b"0.3", b"1", b"2.0", b""])
def test_other_versions_of_cloudevents_are_refused(version: bytes) -> None:
    """Only 1.0 is read."""
    error = refusal([*without("ce_specversion"), ("ce_specversion", version)], b"{}")
    assert (error.reason, error.field) == (Reason.NOT_CLOUDEVENT, "specversion")
    assert repr(version.decode()) in error.message


WRAPPED = {
    "JSON-quoted": '"{}"',
    "a Kafka Connect envelope": '{{"schema":{{"type":"string","optional":true}},"payload":"{}"}}',
    "a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("what", WRAPPED)
@pytest.mark.parametrize("name", ["id", "source", "type", "specversion", "time", "expirytime", "correlationid"])
def test_an_attribute_in_a_serializers_wrapping_is_refused(name: str, what: str) -> None:
    """Spring writes a UUID or URI header as JSON, JsonConverter any: its text would match nothing."""
    text = WRAPPED[what].format({"specversion": "1.0", "time": "2026-11-23T08:15:00Z"}.get(name, "1f0e"))
    binary = refusal([*without(f"ce_{name}"), (f"ce_{name}", text.encode())], b"{}")
    structured = refusal(STRUCTURED, whole(**{name: text}))
    for error in (binary, structured):
        assert (error.reason, error.field) == (Reason.NOT_CLOUDEVENT, name)
        assert what in error.message
        assert error.message.startswith(f"Attribute `{name}` is '")


def test_a_quoted_content_type_is_named_as_such() -> None:
    """It is neither mode's, and the message says why."""
    error = refusal([*without("content-type"), ("content-type", b'"application/cloudevents+json"')], b"{}")
    assert (error.reason, error.field) == (Reason.NOT_CLOUDEVENT, "datacontenttype")
    assert "JSON-quoted" in error.message


def test_attributes_that_nothing_reads_may_be_quoted() -> None:
    """A subject or an extension of somebody else's may well be a text in quotation marks."""
    event = read([*BINARY, ("ce_subject", b'"Storm"'), ("ce_title", b'"Storm"')], b"{}")
    assert (event.subject, event.extensions["title"]) == ('"Storm"', '"Storm"')


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        (STRUCTURED, b"{}", Reason.NOT_CLOUDEVENT),
        (STRUCTURED, b"[]", Reason.NOT_CLOUDEVENT),
        (STRUCTURED, b'"text"', Reason.NOT_CLOUDEVENT),
        (STRUCTURED, b"not json", Reason.NOT_JSON),
        (STRUCTURED, b"\xff", Reason.NOT_UTF8),
        (BINARY, b"not json", Reason.NOT_JSON),
        (BINARY, b"\xff", Reason.NOT_UTF8),
        ([("content-type", b"application/json")], whole(data={}), Reason.NOT_CLOUDEVENT),
        ([("content-type", b"application/cloudevents+avro")], b"\x00", Reason.NOT_CLOUDEVENT),
        ([("content-type", b"application/cloudevents-batch+json")], b"[]", Reason.NOT_CLOUDEVENT),
        ([], b'{"article": {}}', Reason.NOT_CLOUDEVENT),
    ],
)
def test_a_content_type_that_lies_is_refused(
    headers: Sequence[tuple[str, bytes]], value: bytes, reason: Reason
) -> None:
    """A value that contradicts its content type gets a clear error, never a crash or a guess."""
    assert refusal(headers, value).reason is reason


def test_broken_headers_are_refused() -> None:
    """A header that is not UTF-8, or has no value, is named."""
    latin = refusal([*BINARY, ("ce_subject", b"caf\xe9")], b"{}")
    empty = refusal([*BINARY, ("ce_subject", None)], b"{}")
    assert (latin.reason, latin.field) == (Reason.NOT_UTF8, "ce_subject")
    assert (empty.reason, empty.field) == (Reason.NOT_CLOUDEVENT, "ce_subject")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"id": 7}, "id"),
        ({"type": ["t"]}, "type"),
        ({"sampled": 0.5}, "sampled"),
        ({"trace": {"id": 1}}, "trace"),
        ({"correlation_id": "x"}, "correlation_id"),
        ({"data": {}, "data_base64": "e30="}, "data_base64"),
        ({"data_base64": "e30"}, "data_base64"),
        ({"data_base64": "é"}, "data_base64"),
        ({"data_base64": 5}, "data_base64"),
        ({"data": {}, "datacontenttype": "text/plain"}, "data"),
    ],
)
def test_broken_members_of_a_structured_event_are_named(members: dict[str, Any], field: str) -> None:
    """A member that the JSON event format does not allow is named."""
    error = refusal(STRUCTURED, whole(**members))
    assert (error.reason, error.field) == (Reason.NOT_CLOUDEVENT, field)


def test_a_broken_time_is_an_invalid_field() -> None:
    """A time that is not RFC 3339 is reported like any other invalid field."""
    assert refusal([*BINARY, ("ce_time", b"today")], b"{}").field == "time"
    assert refusal(STRUCTURED, whole(time="today")).reason is Reason.INVALID_FIELD


def test_what_is_written() -> None:
    """Binary mode, with a content type and with times in UTC as Z."""
    event = Event("1", "/cms", "t", "a", datetime(2026, 11, 23, tzinfo=UTC), extensions={"b": "2", "a": "1"}, data={})
    headers, value = write(event)
    assert headers == [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"/cms"),
        ("ce_type", b"t"),
        ("ce_subject", b"a"),
        ("ce_time", b"2026-11-23T00:00:00Z"),
        ("ce_a", b"1"),
        ("ce_b", b"2"),
    ]
    assert value == b"{}"


def test_an_event_without_data_is_not_written_as_a_tombstone() -> None:
    """The value is JSON's null, never Kafka's."""
    assert write(Event("1", "/cms", "t"))[1] == b"null"


def test_header_names() -> None:
    """Only `ce_` headers and the content type set attributes."""
    assert [attribute_name(name) for name in ("ce_id", "Content-Type", "id", "x-ce_id", "leadart-topic")] == [
        "id",
        "datacontenttype",
        None,
        None,
        None,
    ]


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=20).filter(
    lambda text: plain(text) == text  # as no serializer writes a text, and no reader takes it
)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    subject=st.none() | TEXT,
    time=st.none() | st.datetimes(timezones=ZONES),
    dataschema=st.none() | TEXT,
    extensions=st.dictionaries(
        st.from_regex("[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: not name.startswith(("data", "spec"))),
        TEXT,
        max_size=3,
    ).map(lambda found: {name: text for name, text in found.items() if name not in WHOLE | {"subject": 0, "time": 0}}),
    data=JSON,
)


@given(EVENTS)
@settings(deadline=None)
def test_what_is_written_is_read_again(event: Event) -> None:
    """Every event survives its own binary record."""
    assert read(*write(event)) == event


@given(
    st.lists(st.tuples(st.sampled_from([*dict(BINARY), "ce_x_y", "other"]) | st.text(), st.none() | st.binary())),
    st.none() | st.binary() | JSON.map(lambda data: json.dumps(data).encode()),
)
@settings(deadline=None)
def test_no_record_raises_anything_else(headers: list[tuple[str, bytes | None]], value: bytes | None) -> None:
    """For any record, the reader returns or raises `ContractError`."""
    for lead in ([], list(BINARY), list(STRUCTURED)):
        message = complaint([*lead, *headers], value)
        assert message.isprintable()
        assert message.endswith(".")
