"""The record key: the article id as plain text, and what is said about any other."""

import json
from typing import Final

from schemas.jsontext import parse_json
from schemas.reasons import ContractError, Reason
from schemas.serializers import excerpt, is_envelope, plain, side_by_side, signature

_NUMBER_BYTES: Final = (4, 8)
_REMEDY: Final = "set the key to that text, as UTF-8"


def check_key(key: bytes | None, article_id: str) -> None:
    """Raise `ContractError`, which shows both, if the record key is not the article id."""
    if key != article_id.encode():
        raise ContractError(Reason.WRONG_KEY, f"The record {_difference(key, article_id)}.", field="article.id")


def article_of_key(key: bytes | None) -> str | None:
    """Return the article id that a record key holds, plain or in a serializer's wrapping; None if it is not text."""
    try:
        return None if key is None else plain(key.decode())
    except UnicodeDecodeError:
        return None


def _difference(key: bytes | None, article_id: str) -> str:
    expected = f"`article.id` is {excerpt(article_id)}"
    if not key:
        return f"{'has no key' if key is None else 'key is empty'}, but {expected}: {_REMEDY}"
    if len(key) in _NUMBER_BYTES and str(int.from_bytes(key, signed=True)) == article_id:
        return f"key is the number {article_id} as {len(key)} bytes: write it as text, with a string serializer"
    if (what := signature(key)) is not None:
        return f"key {what}, but {expected}: {_REMEDY}"
    try:
        return _text_difference(key.decode(), article_id)
    except UnicodeDecodeError:
        return f"key is {excerpt(key)}, which is not UTF-8, but {expected}: {_REMEDY}"


def _text_difference(key: str, article_id: str) -> str:
    document = _document(key)
    if isinstance(document, str):
        return (
            f"key is {excerpt(key)}, JSON-quoted, but `article.id` is {excerpt(article_id)}: write the key as plain "
            "text, with a string serializer (StringSerializer; Kafka Connect: StringConverter)"
        )
    if isinstance(document, dict):
        envelope = is_envelope(document)
        kind = "a Kafka Connect envelope of `schema` and `payload`" if envelope else "a JSON object"
        held = json.dumps(document["payload"], ensure_ascii=False) if envelope else key
        return (
            f"key is {kind}, {excerpt(held)}, but `article.id` is {excerpt(article_id)}: write the id alone, as plain "
            "text (Kafka Connect: `key.converter` StringConverter, after ExtractField$Key for a field of an object)"
        )
    arrived, expected = side_by_side(key, article_id)
    return f"key is {arrived}, but `article.id` is {expected}: {_REMEDY}"


def _document(text: str) -> object:
    try:
        return parse_json(text.encode())
    except ContractError:
        return None
