"""`schemas.reader`: from a record to a request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import ContractError, ImageRequested, Reason, names
from schemas.reader import parse_request, salvage

DATA: dict[str, Any] = {"article": {"id": "文-1", "revision": 7, "headline": "Storm"}}
KEY = "文-1".encode()
VALUE = json.dumps(DATA).encode()


def headers(**changes: str) -> list[tuple[str, bytes]]:
    sent = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": "1", "ce_source": "/cms"}
    sent |= {"ce_type": names.IMAGE_REQUESTED, **{f"ce_{name}": value for name, value in changes.items()}}
    return [(name, value.encode()) for name, value in sent.items()]


def refusal(key: bytes | None, sent: list[tuple[str, bytes]], value: bytes | None) -> ContractError:
    with pytest.raises(ContractError) as caught:
        parse_request(key, sent, value)
    return caught.value


def test_a_request_is_read() -> None:
    """Event and request come back together."""
    event, request = parse_request(KEY, headers(expirytime="2026-11-23T09:00:00Z"), VALUE)
    assert request == ImageRequested.model_validate(DATA)
    assert (event.id, event.expirytime) == ("1", datetime(2026, 11, 23, 9, tzinfo=UTC))


def test_a_structured_request_is_read() -> None:
    """A publisher that sends the whole event in the value is answered alike."""
    value = {"specversion": "1.0", "id": "1", "source": "/cms", "type": names.IMAGE_REQUESTED, "data": DATA}
    sent = [("content-type", b"application/cloudevents+json")]
    assert parse_request(KEY, sent, json.dumps(value).encode())[1] == ImageRequested.model_validate(DATA)


@pytest.mark.parametrize("key", [None, b"", b"other", "文-1".encode("utf-16"), b"\xff", b"1"])
def test_the_key_has_to_be_the_article_id(key: bytes | None) -> None:
    """Any other key, or none, would break the article's order."""
    error = refusal(key, headers(), VALUE)
    assert (error.reason, error.field) == (Reason.WRONG_KEY, "article.id")
    assert "`article.id` is '\\u6587-1'" in error.message


@pytest.mark.parametrize("version", ["2", "3", "10", "99999999999999999999"])
def test_a_newer_major_version_is_told_apart(version: str) -> None:
    """It is not guessed at, whatever its data is."""
    newer = f"{names.TYPE_PREFIX}requested.v{version}"
    assert refusal(KEY, headers(type=newer), VALUE).reason is Reason.UNKNOWN_VERSION
    avro = [*headers(type=newer)[1:], ("content-type", b"application/avro")]
    assert refusal(KEY, avro, b"\x00").reason is Reason.UNKNOWN_VERSION


@pytest.mark.parametrize(
    "other",
    [names.IMAGE_READY, "com.example.saved", f"{names.TYPE_PREFIX}requested", f"{names.TYPE_PREFIX}requested.v0"],
)
def test_another_type_is_refused(other: str) -> None:
    """The lane carries requests and nothing else."""
    error = refusal(KEY, headers(type=other), VALUE)
    assert (error.reason, error.field) == (Reason.WRONG_TYPE, "type")
    assert f"`type` is '{other}', not" in error.message


def test_a_refused_type_is_shown_escaped_and_bounded() -> None:
    """What arrived is in the message, but cannot disturb who reads it."""
    message = refusal(KEY, headers(type="com.example\u202e" + "x" * 900), VALUE).message
    assert "'com.example\\u202exxx" in message
    assert message.isascii()
    assert len(message) < 250


def test_a_broken_expirytime_is_an_invalid_field() -> None:
    """It is reported at once, so that no later reader fails on it."""
    error = refusal(KEY, headers(expirytime="soon"), VALUE)
    assert (error.reason, error.field) == (Reason.INVALID_FIELD, "expirytime")


def test_a_request_is_json() -> None:
    """A content type that does not promise JSON is refused, even if the bytes were JSON."""
    sent = [*headers()[1:], ("content-type", b"text/plain")]
    error = refusal(KEY, sent, VALUE)
    assert (error.reason, error.field) == (Reason.NOT_JSON, "datacontenttype")


def test_a_content_type_is_shown_and_not_repeated() -> None:
    """A content type in an error message cannot reverse the text that an operator reads, and is shortened."""
    sent = [*headers()[1:], ("content-type", "application/\u202enosj".encode() + b"x" * 900)]
    message = refusal(KEY, sent, VALUE).message
    assert message.isascii()
    assert len(message) < 120


@pytest.mark.parametrize("payload", [DATA, json.dumps(DATA)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_connect_envelope_is_named(payload: object, *, whole: bool) -> None:
    """Kafka Connect's JsonConverter wraps what it writes unless it is told not to; the outcome knows the request."""
    sent = [("content-type", b"application/cloudevents+json")] if whole else headers()
    value = json.dumps({"schema": {"type": "struct"}, "payload": payload}).encode()
    error = refusal(KEY, sent, value)
    assert error.reason is (Reason.NOT_CLOUDEVENT if whole else Reason.MISSING_FIELD)
    assert "Kafka Connect envelope of `schema` and `payload`" in error.message
    assert "`value.converter.schemas.enable=false`" in error.message
    known = salvage(KEY, sent, value)
    assert (known.article_id, known.revision, known.slot) == ("文-1", 7, "hero")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"before": None, "after": {"id": 7}, "op": "c"}, "is a Debezium change event: unwrap it"),
        ({"specversion": "1.0", "data": DATA}, "is a whole event: send it without `ce_` headers"),
    ],
)
def test_other_wrappings_are_named(data: object, named: str) -> None:
    """A change event of the CMS's database, or an event inside another, misses its article for a reason."""
    error = refusal(KEY, headers(), json.dumps(data).encode())
    assert (error.reason, error.field) == (Reason.MISSING_FIELD, "article")
    assert named in error.message


def test_json_inside_a_json_string_is_named() -> None:
    """An outbox that stores JSON as text is serialised twice by a JSON serializer."""
    value = json.dumps(json.dumps(DATA)).encode()
    error = refusal(KEY, headers(), value)
    assert (error.reason, error.field) == (Reason.INVALID_FIELD, "data")
    assert error.message == "`data` is JSON inside a JSON string: serialise it once, not twice."
    assert salvage(KEY, headers(), value).revision == 7


@pytest.mark.parametrize(
    ("value", "reason", "named"),
    [
        (b"\x00\x00\x00\x00\x07\x06\xe6\x96\x87", Reason.NOT_JSON, "magic byte of Avro"),
        (b"\x00\x00\x00\x00\x07" + VALUE + b"\xff", Reason.NOT_UTF8, "magic byte of Avro"),
        (b"\xef\xbb\xbf" + VALUE, Reason.NOT_JSON, "byte order mark (EF BB BF)"),
        (VALUE.decode().encode("utf-16"), Reason.NOT_UTF8, "UTF-16's byte order mark"),
    ],
)
def test_other_formats_are_called_by_name(value: bytes, reason: Reason, named: str) -> None:
    """A serializer other than JSON's is known by its first bytes."""
    error = refusal(KEY, headers(), value)
    assert error.reason is reason
    assert named in error.message


def test_an_id_is_spelled_with_zero_width_joiners() -> None:
    """A Persian slug is read, and is its record's key as it is."""
    slug = "\u062e\u0628\u0631\u200c\u0647\u0627-12"
    value = json.dumps({"article": {"id": slug, "revision": 1, "headline": "x"}}).encode()
    assert parse_request(slug.encode(), headers(), value)[1].article.id == slug
    assert salvage(slug.encode(), headers(), b"").article_id == slug


def test_an_event_without_data_misses_it() -> None:
    """Null, or a structured event without the member."""
    assert refusal(KEY, headers(), b"null").field == "data"
    assert refusal(KEY, headers(), b"null").reason is Reason.MISSING_FIELD


def test_a_prompt_of_100_kb_is_too_large() -> None:
    """The size is judged first, and the failed outcome can still be addressed."""
    value = json.dumps(DATA | {"brief": {"prompt": "x" * 100_000}}).encode()
    assert refusal(KEY, headers(), value).reason is Reason.TOO_LARGE
    known = salvage(KEY, headers(), value)
    assert (known.article_id, known.revision, known.slot) == ("文-1", 7, "hero")


def test_a_field_is_named_by_its_path() -> None:
    """An error inside the data is located by a dotted path."""
    value = json.dumps(DATA | {"output": {"width": 5000}}).encode()
    assert refusal(KEY, headers(), value).field == "output.width"


CHUNKS = st.none() | st.binary(max_size=60) | st.sampled_from([KEY, VALUE, VALUE[:-1], b"{}", b'{"article": 7}'])
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([name for name, _ in headers()]) | st.text(max_size=8),
        st.none() | st.binary(max_size=20) | st.sampled_from([value for _, value in headers()]),
    ),
    max_size=6,
)


@given(CHUNKS, st.sampled_from([[], headers(), headers()[1:]]), HEADERS, CHUNKS)
@settings(deadline=None, max_examples=300)
def test_no_record_raises_anything_else(
    key: bytes | None,
    sent: list[tuple[str, bytes]],
    more: list[tuple[str, bytes | None]],
    value: bytes | None,
) -> None:
    """Whatever the record is: a request, or `ContractError`, and salvage always answers."""
    record = [*sent, *more]
    salvage(key, record, value)
    try:
        _, request = parse_request(key, record, value)
    except ContractError:
        return
    assert key == request.article.id.encode()
