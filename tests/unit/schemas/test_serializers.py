"""`schemas.serializers`: what serializers leave around a text, recognised and named."""

from __future__ import annotations

import bz2
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.serializers import excerpt, plain, side_by_side, signature, unquoted

TEXT = '{"article": {"id": "a-1"}}'


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (TEXT.encode("utf-8-sig"), "byte order mark (EF BB BF)"),
        (TEXT.encode("utf-16"), "UTF-16's byte order mark (FF FE)"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16's byte order mark (FE FF)"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
        (
            b"\x00\x00\x00\x00\x07\x0ca-1042",
            "magic byte of Avro and other schema registry formats (0, then schema id 7)",
        ),
        (b"\x00\x00\x01\x86\xa0" + TEXT.encode(), "schema id 100000"),
        (b"Obj\x01\x04", "Avro file"),
        (b"\xac\xed\x00\x05t\x00", "Java object"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd (28 B5 2F FD)"),
        (b"\x04\x22\x4d\x18\x60", "lz4"),
        (b"\x82SNAPPY\x00\x00", "snappy"),
        (lzma.compress(TEXT.encode()), "xz"),
        (bz2.compress(TEXT.encode()), "bzip2"),
        (zlib.compress(TEXT.encode()), "zlib"),
        (zlib.compress(TEXT.encode(), 9), "zlib"),
        (b"\xc3\x01\x00", "single object of Avro"),
        (TEXT.encode("utf-32"), "UTF-32's byte order mark"),
    ],
)
def test_first_bytes_give_a_format_away(raw: bytes, named: str) -> None:
    """What no JSON text begins with is told by its name."""
    assert named in (signature(raw) or "")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"))
    | st.sampled_from([TEXT, "", "\x00", "a-1", "[]", "文-1"])
)
def test_text_has_no_signature(text: str) -> None:
    """No plain text is taken for another format."""
    assert text.startswith("Obj\x01") or signature(text.encode()) is None


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('"a-1"', "a-1"),
        ('"\\u0061-1"', "a-1"),
        ('""', ""),
        ('{"schema":{"type":"string","optional":false},"payload":"a-1"}', "a-1"),
        ('{"schema":null,"payload":7}', "7"),
        ("a-1", None),
        ('"a-1', None),
        ('say "a-1"', None),
        ('{"payload":"a-1"}', None),
        ('{"schema":{},"payload":{"id":"a-1"}}', None),
        ('{"id":"a-1"}', None),
        ("[" * 100_000, None),
        ('{"a":' * 100_000, None),
    ],
)
def test_quotation_marks_and_envelopes_come_off(text: str, bare: str | None) -> None:
    """A JSON string, and a Connect envelope of a text or a number, hold a text; others are their own."""
    assert unquoted(text) == bare
    assert plain("\ufeff" + text) == (text if bare is None else bare)


@given(st.text() | st.binary(), st.integers(0, 100))
def test_an_excerpt_is_short_and_in_ascii(text: str | bytes, start: int) -> None:
    """Whatever arrives can be shown to an operator."""
    shown = excerpt(text, start)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 40 * 10 + 9


def test_long_texts_are_shown_from_where_they_differ() -> None:
    """Two addresses with the same beginning do not look alike; short texts are shown whole."""
    assert side_by_side("a-1", "a-2") == ("'a-1'", "'a-2'")
    stem = "urn:newsroom:articles:2026:11:23:storm-over-the-harbour-"
    assert side_by_side(f"{stem}1", f"{stem}2") == ("...'e-harbour-1'", "...'e-harbour-2'")
    assert side_by_side("x" * 50, "y") == (f"'{'x' * 40}'...", "'y'")
