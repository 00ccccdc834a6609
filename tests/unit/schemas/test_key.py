"""`schemas.key`: which record keys are the article id, and what is said about the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ContractError, Reason
from schemas.key import article_of_key, check_key

ENVELOPE = b'{"schema":{"type":"string","optional":false},"payload":"a-1042"}'


def message(key: bytes | None, article_id: str = "a-1042") -> str:
    with pytest.raises(ContractError) as caught:
        check_key(key, article_id)
    assert (caught.value.reason, caught.value.field) == (Reason.WRONG_KEY, "article.id")
    return caught.value.message


@pytest.mark.parametrize(
    "article_id", ["a-1042", "文-1", "\u062e\u0628\u0631\u200c\u0647\u0627-12", '"a"', "{}", "1042"]
)
def test_the_id_as_utf8_is_the_key(article_id: str) -> None:
    """Also where the id itself looks like JSON."""
    check_key(article_id.encode(), article_id)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (None, "The record has no key, but `article.id` is 'a-1042': set the key to that text, as UTF-8."),
        (b"", "The record key is empty, but `article.id` is 'a-1042': set the key to that text, as UTF-8."),
        (b"a-1043", "The record key is 'a-1043', but `article.id` is 'a-1042': set the key to that text, as UTF-8."),
        (b"a-1042\n", "The record key is 'a-1042\\n', but `article.id` is 'a-1042': set"),
        ("a-1042\u202e".encode(), "The record key is 'a-1042\\u202e', but `article.id` is 'a-1042': set"),
        (
            b'"a-1042"',
            "The record key is '\"a-1042\"', JSON-quoted, but `article.id` is 'a-1042': write the key as plain",
        ),
        (
            ENVELOPE,
            "The record key is a Kafka Connect envelope of `schema` and `payload`, '\"a-1042\"', but `article.id` is",
        ),
        (b'{"id": "a-1042"}', "The record key is a JSON object, '{\"id\": \"a-1042\"}', but `article.id` is 'a-1042'"),
        (b"\xef\xbb\xbfa-1042", "The record key starts with a byte order mark (EF BB BF), but `article.id` is"),
        (
            b"\x00\x00\x00\x00\x07\x0ca-1042",
            "The record key starts with the magic byte of Avro and other schema registry",
        ),
        ("a-1042".encode("utf-16-le"), "The record key is UTF-16, but `article.id` is 'a-1042'"),
        (b"\xff\xffa", "The record key is b'\\xff\\xffa', which is not UTF-8, but `article.id` is 'a-1042'"),
    ],
)
def test_another_key_is_shown_beside_the_id(key: bytes | None, says: str) -> None:
    """What arrived stands beside what was expected, and each serializer is known by what it leaves."""
    assert message(key).startswith(says)


@pytest.mark.parametrize("width", [4, 8])
def test_a_binary_number_is_recognised(width: int) -> None:
    """Java's IntegerSerializer and LongSerializer write a numeric id in 4 and 8 bytes."""
    says = f"The record key is the number 1042 as {width} bytes: write it as text, with a string serializer."
    assert message((1042).to_bytes(width), "1042") == says


@given(st.none() | st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_every_message_is_bounded_and_in_ascii(key: bytes | None) -> None:
    """Whatever the key is, the message can be logged, and the article id in the key is one text or none."""
    says = message(key, "no such key")
    assert says.isascii()
    assert says.isprintable()
    assert len(says) < 1000
    assert isinstance(article_of_key(key), str | None)


@pytest.mark.parametrize(
    ("key", "article_id"),
    [
        (b"a-1", "a-1"),
        (b'"a-1042"', "a-1042"),
        (ENVELOPE, "a-1042"),
        (b"\xef\xbb\xbfa-1", "a-1"),
        (b"\xff", None),
        (None, None),
    ],
)
def test_the_article_of_a_key(key: bytes | None, article_id: str | None) -> None:
    """An outcome is addressed to the article, not to what a serializer made of its id."""
    assert article_of_key(key) == article_id
