"""`schemas.jsontext`: JSON, strictly."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import ContractError, Reason
from schemas.jsontext import dump_json, parse_json


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"{} {}",
        b"NaN",
        b"-Infinity",
        b"[1,]",
        b'"\x01"',
        b"\xef\xbb\xbf{}",
        b"9" * 5000,
        b"[" * 5000 + b"]" * 5000,
        b"<article/>",
    ],
)
def test_what_is_not_json_is_refused(value: bytes) -> None:
    """NaN, byte order marks, overlong numbers and deep nesting are not accepted as JSON."""
    with pytest.raises(ContractError) as caught:
        parse_json(value)
    assert caught.value.reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (rb'"\ud800"', "data"),
        (rb'{"article": {"headline": "Fire \uD83D"}}', "article.headline"),
        (rb'{"data": {"article": {"tags": ["a", "\ud83d"]}}}', "article.tags.1"),
        (rb'{"article": {"a b": "\ud83d"}}', "article"),
        (b"[" * 900 + rb'"\ud83d"' + b"]" * 900, "0.0.0.0.0"),
    ],
)
def test_half_a_character_is_found_in_its_field(value: bytes, field: str) -> None:
    """JavaScript's `slice` cuts an emoji in two: the message names the field, as far as its names are plain."""
    with pytest.raises(ContractError) as caught:
        parse_json(value)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, field)
    assert "half a character" in caught.value.message


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b"1e999", "data"),
        (b'{"generation": {"guidance_scale": -1E+400}}', "generation.guidance_scale"),
        (b'{"article": {"more": [1, ' + b"9" * 400 + b".5]}}", "article.more.1"),
    ],
)
def test_a_number_beyond_every_float_is_found_in_its_field(value: bytes, field: str) -> None:
    """What no reader could write on as JSON is refused, and its field named."""
    with pytest.raises(ContractError) as caught:
        parse_json(value)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, field)
    assert caught.value.message == f"`{field}` is not a finite number."


def test_large_numbers_that_are_finite_are_read() -> None:
    """The largest float, and text that only looks like an exponent, are no error."""
    assert parse_json(b'[1.7e308, "1e999", 1e-999]') == [1.7e308, "1e999", 0.0]


@pytest.mark.parametrize("value", [b"\xff", '{"a": "é"}'.encode("latin-1"), "{}".encode("utf-16")])
def test_another_encoding_has_its_own_reason(value: bytes) -> None:
    """A wrong encoding has its own reason, including UTF-16, which Python's parser accepts."""
    with pytest.raises(ContractError) as caught:
        parse_json(value)
    assert caught.value.reason is Reason.NOT_UTF8


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"", "The value is empty"),
        (b" \n", "The value is empty"),
        (b"\x82\xa7article\x83", "The value starts with 82 A7 61 72, as binary formats such as MessagePack do"),
        ('{"a": "é"}'.encode("latin-1"), "The value is not UTF-8 at byte 7"),
    ],
)
def test_what_is_no_json_is_told_by_its_start(value: bytes, told: str) -> None:
    """Nothing, a binary format, and text in another encoding are three different mistakes."""
    with pytest.raises(ContractError, match=told):
        parse_json(value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None)
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    """For any bytes, the parser returns or raises `ContractError`, and accepts only what Python's parser accepts."""
    try:
        parsed = parse_json(value)
    except ContractError:
        return
    assert parsed == json.loads(value)


def test_json_is_written_compactly_and_as_utf8() -> None:
    """Chinese text stays readable and short on the wire."""
    assert dump_json({"headline": "台风", "tags": [1, 2]}) == '{"headline":"台风","tags":[1,2]}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf]])
def test_numbers_that_json_lacks_are_not_written(value: object) -> None:
    """No other reader accepts NaN and the infinities."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json(value)
