"""Which records are about an article, or about a request: most are told apart without parsing them. Pure."""

from __future__ import annotations

import json
from typing import Protocol

from consumer.admin.dead_letters.dead_letter import MARK, ActionMark, Coordinates, parse_record
from consumer.delivery.controls import controls_key
from consumer.delivery.heads import slot_of
from consumer.jobs import Record
from schemas.key import article_of_key
from schemas.salvage import Salvage, salvage

_ENCODED = b"data_base64"
"""A record with this may hold anything in base64."""


class RecordFilter(Protocol):
    """Tells which records are wanted."""

    def matches(self, record: Record) -> bool:
        """Return whether a record is wanted."""
        ...


class ArticleFilter:
    """Records of an article: its id is their key, or in what they say, under whatever key they were published."""

    def __init__(self, article: str) -> None:
        self._article = article
        self._key = article.encode()
        self._spellings = _spellings(article)

    def matches(self, record: Record) -> bool:
        """Return whether the record is about the article."""
        if record.key == self._key:
            return True
        key, value = record.key or b"", record.value or b""
        if _holds(key, self._spellings) and article_of_key(key) == self._article:
            return True
        return _may_hold(value, self._spellings) and _salvaged(record).article_id == self._article


class RequestFilter:
    """Records of a request: its own, its retries, its dead letter and its outcomes."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._raw = request_id.encode()
        self._spellings = _spellings(request_id)

    def matches(self, record: Record) -> bool:
        """Return whether the record is about the request."""
        if any(self._raw == value for name, value in record.headers if name.lower() == "ce_causationid"):
            return True
        texts = [record.value or b"", *(value or b"" for _, value in record.headers)]
        return any(_may_hold(text, self._spellings) for text in texts) and (
            _salvaged(record).request_id == self._request_id
        )


class LetterFilter:
    """Dead letters that another filter wants, and the marks that follow them."""

    def __init__(self, wanted: RecordFilter) -> None:
        self._wanted = wanted
        self._letters: set[Coordinates] = set()

    def matches(self, record: Record) -> bool:
        """Return whether it is a wanted dead letter, or the mark of one that was read before."""
        if record.headers and record.headers[0][0] == MARK:
            mark = parse_record(record)
            return isinstance(mark, ActionMark) and Coordinates(record.partition, mark.of) in self._letters
        if not self._wanted.matches(record):
            return False
        self._letters.add(Coordinates(record.partition, record.offset))
        return True


class HeadFilter:
    """The heads of an article, and the controls of every request, for one group."""

    def __init__(self, group_id: str, article: str) -> None:
        self._group_id = group_id
        self._article = article
        self._spellings = _spellings(article)
        self._controls = controls_key(group_id)

    def matches(self, record: Record) -> bool:
        """Return whether it is a head of the article, or its deletion, or controls."""
        key = record.key or b""
        if key == self._controls:
            return True
        if not _holds(key, self._spellings):
            return False
        slot = slot_of(key, self._group_id)
        return slot is not None and slot.article_id == self._article


def _spellings(text: str) -> tuple[bytes, ...]:
    """Return how a text may be written in JSON: in ASCII or not, with PHP's slashes or without."""
    written = [text, *(json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))]
    spellings = [*written, *(each.replace("/", "\\/") for each in written)]
    return tuple(dict.fromkeys(each.encode() for each in spellings))


def _may_hold(text: bytes, spellings: tuple[bytes, ...]) -> bool:
    return _holds(text, spellings) or _ENCODED in text


def _holds(text: bytes, spellings: tuple[bytes, ...]) -> bool:
    return any(spelling in text for spelling in spellings)


def _salvaged(record: Record) -> Salvage:
    return salvage(record.key, record.headers, record.value)
