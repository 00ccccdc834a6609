"""`schemas.salvage`: what is still readable in an invalid record."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Article, names
from schemas.event import Event
from schemas.fields import ARTICLE_ID_PATTERN
from schemas.ignored import Ignored
from schemas.salvage import Salvage, salvage

HEADERS = [
    ("content-type", b"application/json"),
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/cms"),
    ("ce_type", names.IMAGE_REQUESTED.encode()),
]
NOTHING = Salvage(None, None, None, None, None)


def value(**data: Any) -> bytes:
    return json.dumps(data).encode()


def test_a_request_with_one_wrong_field_keeps_the_rest() -> None:
    """Every value that is valid by itself is kept."""
    found = salvage(
        b"k", HEADERS, value(article={"id": "a-1", "revision": 7}, output={"slot": "square", "variants": 10})
    )
    assert found == Salvage("1", "/cms", "a-1", 7, "square")


@pytest.mark.parametrize("broken", [None, b"", b"\xff", b"{", b"[]", b"{}", b'{"article": "a-9"}'])
def test_the_key_stands_in_for_the_article_id(broken: bytes | None) -> None:
    """Without an article in the data, a key that is a valid article id is used."""
    assert salvage(b"a-1", HEADERS, broken) == Salvage("1", "/cms", "a-1", None, None)


@pytest.mark.parametrize("key", [None, b"", b" a", b"a\n", b"\xff", b"x" * 201])
def test_a_key_that_is_no_article_id_is_not_used(key: bytes | None) -> None:
    """Better no outcome than one for an article that cannot exist."""
    assert salvage(key, HEADERS, b"").article_id is None


@pytest.mark.parametrize("wrapped", ['"{}"', '{{"schema":{{"type":"string"}},"payload":"{}"}}', "\ufeff{}"])
def test_what_a_serializer_put_around_a_text_comes_off(wrapped: str) -> None:
    """The outcome carries the publisher's own ids, so that it matches the request it answers."""
    texts = {"id": "1f0e", "source": "/cms", "correlationid": "flow"}
    sent = [("content-type", b"application/json"), *((f"ce_{k}", wrapped.format(v).encode()) for k, v in texts.items())]
    found = salvage(wrapped.format("a-1").encode(), sent, b"{")
    assert found == Salvage("1f0e", "/cms", "a-1", None, None, {"correlationid": "flow"})


def test_a_byte_order_mark_hides_nothing() -> None:
    """The article behind it is known."""
    assert salvage(None, [], b"\xef\xbb\xbf" + value(article={"id": "a-1", "revision": 7})).revision == 7


@pytest.mark.parametrize("content_type", [b"application/cloudevents+json", b"application/json", b"text/plain"])
def test_a_whole_event_is_recognised_whatever_the_content_type_says(content_type: bytes) -> None:
    """With a wrong content type the outcome can still be addressed."""
    data = {"article": {"id": "a-1", "revision": 7}}
    whole = value(specversion="1.0", id="2", source="/desk", data=data)
    assert salvage(None, [("content-type", content_type)], whole) == Salvage("2", "/desk", "a-1", 7, "hero")


def test_a_valid_request_loses_nothing() -> None:
    """What `read` accepts is salvaged in full: an unknown field `specversion`, Base64, a number for an extension."""
    data = {"article": {"id": "a-1", "revision": 7}, "output": {"slot": "social"}}
    known = Salvage("1", "/cms", "a-1", 7, "social")
    unknown = replace(known, ignored=Ignored(("specversion",)))
    assert salvage(None, HEADERS, value(**data, specversion="2")) == unknown
    envelope = [("content-type", b"application/cloudevents+json")]
    encoded = base64.b64encode(value(**data)).decode()
    whole = {"specversion": "1.0", "id": "1", "source": "/cms", "data_base64": encoded, "correlationid": 42}
    assert salvage(None, envelope, value(**whole)) == replace(known, carried={"correlationid": "42"})
    assert salvage(None, envelope, value(**{**whole, "data_base64": "no"})).article_id is None


@pytest.mark.parametrize("event_type", [names.IMAGE_REQUESTED, None])
def test_unknown_fields_are_told_where_something_is_missing(event_type: str | None) -> None:
    """They are often why: here the headline is in an object that is called otherwise, and the type was forgotten."""
    sent = [*HEADERS[:-1], *([("ce_type", event_type.encode())] if event_type else [])]
    found = salvage(b"a-1", sent, value(artcle={"id": "a-1", "headline": "Storm"}, brief={"Prompt": ""}))
    assert found.ignored == Ignored(("artcle", "brief.Prompt"), {"artcle": "article", "brief.Prompt": "brief.prompt"})


def test_another_contracts_fields_are_not_compared_with_ours() -> None:
    """An event of another type has no fields of this one."""
    sent = [*HEADERS[:-1], ("ce_type", b"org.example.saved")]
    assert salvage(b"a-1", sent, value(artcle={})).ignored == Ignored()


def test_half_a_character_costs_one_field() -> None:
    """The rest of the document is read: the outcome still has its article and slot."""
    halved = b'{"article": {"id": "a-1", "revision": 7, "headline": "Fire \\ud83d"}}'
    assert salvage(None, HEADERS, halved) == Salvage("1", "/cms", "a-1", 7, "hero")


def test_headers_count_where_the_value_is_no_event() -> None:
    """If a declared event is only the data, the id comes from the copied headers."""
    sent = [("content-type", b"application/cloudevents+json"), *HEADERS[1:]]
    assert salvage(None, sent, value(article={"id": "a-1", "revision": 7})) == Salvage("1", "/cms", "a-1", 7, "hero")


def test_an_attribute_set_twice_is_not_guessed() -> None:
    """With two ids neither is used, nor is a header of another name."""
    assert salvage(None, [*HEADERS, ("CE_ID", b"2")], b"").request_id is None
    assert salvage(None, [("id", b"1"), ("source", b"/cms")], b"") == NOTHING


@pytest.mark.parametrize("raw", [b"", b"\xff", b"a\nb", b"x" * 3000, None])
def test_attributes_that_break_cloudevents_are_not_salvaged(raw: bytes | None) -> None:
    """A value that an outcome cannot hold is not a request id."""
    assert salvage(None, [("ce_id", raw)], b"").request_id is None


@pytest.mark.parametrize("revision", ["7", True, -1, 2**53, 7.5, None, [7]])
def test_a_wrong_revision_is_not_salvaged(revision: object) -> None:
    """An invalid revision is ignored."""
    assert salvage(None, [], value(article={"id": "a-1", "revision": revision})).revision is None


@pytest.mark.parametrize(
    ("output", "slot"),
    [
        (None, "hero"),
        ({}, "hero"),
        ({"slot": None}, "hero"),
        ({"slot": "a-b"}, "a-b"),
        ({"slot": "A"}, None),
        (7, None),
    ],
)
def test_the_slot_is_the_default_only_when_none_is_named(output: object, slot: str | None) -> None:
    """An invalid slot is unknown; without an article no default is assumed."""
    assert salvage(None, [], value(article={"id": "a-1"}, output=output)).slot == slot
    assert salvage(None, [], value(output=output)).slot is None


@given(st.from_regex(ARTICLE_ID_PATTERN).filter(lambda text: len(text) <= 200))
@settings(deadline=None)
def test_every_article_id_can_be_announced(article_id: str) -> None:
    """An id that is accepted can also be the subject of an event, its record key and a key that is salvaged."""
    if article_id.endswith("\n"):  # Python's `$` alone allows it
        return
    Article(id=article_id, revision=1)
    Event(id="1", source="/cms", type="t", subject=article_id, extensions={"partitionkey": article_id})
    assert salvage(article_id.encode(), [], None).article_id == article_id


@pytest.mark.parametrize("structured", [False, True])
def test_a_re_crop_has_its_slot_beside_the_article(structured: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An invalid re-crop is answered for the slot that it names, and with its own unknown fields."""
    data = {"article": {"id": "a-1", "revision": 7}, "slot": "lead", "focalPoint": {"x": 0}, "output": {"slot": "b"}}
    sent = [(name, names.IMAGE_RECROP_REQUESTED.encode() if name == "ce_type" else text) for name, text in HEADERS]
    if structured:
        whole = value(specversion="1.0", id="1", source="/cms", type=names.IMAGE_RECROP_REQUESTED, data=data)
        known = salvage(None, [("content-type", b"application/cloudevents+json")], whole)
    else:
        known = salvage(None, sent, value(**data))

    assert replace(known, ignored=Ignored()) == Salvage("1", "/cms", "a-1", 7, "lead")
    assert known.ignored == Ignored(("focalPoint", "output"), {"focalPoint": "focal_point"})


def test_a_number_beyond_every_float_hides_nothing() -> None:
    """The rest of a document with such a number says which article and slot it is about."""
    broken = b'{"article": {"id": "a-1", "revision": 7}, "output": {"slot": "teaser"}, "more": 1e999}'
    found = salvage(None, HEADERS, broken)
    assert (found.article_id, found.revision, found.slot) == ("a-1", 7, "teaser")
