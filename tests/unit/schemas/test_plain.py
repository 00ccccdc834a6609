"""`schemas.plain`: the form of the schemas that code generators take."""

from __future__ import annotations

import json

import pytest

from schemas import plain
from schemas.plain import plain_schemas
from schemas.publish import event_schemas

PLAIN = plain_schemas()


def test_every_event_and_every_object_in_it_has_its_title() -> None:
    """The titles become names of classes, and enumerations are no classes."""
    events = event_schemas().values()
    objects = {title for event in events for title, node in event.get("$defs", {}).items() if "enum" not in node}
    assert PLAIN.keys() == {event["title"] for event in events} | objects
    assert all(schema["title"] == title for title, schema in PLAIN.items())


def test_nothing_is_left_that_generators_stumble_over() -> None:
    """No union, enumeration, identifier, empty default, or definition outside the components."""
    text = json.dumps(PLAIN)
    unwanted = ('"anyOf"', '"enum"', '"$id"', '"$defs"', '"maxItems"', '"default": []', '"default": null')
    assert [part for part in unwanted if part in text] == []


def test_null_stands_beside_the_type() -> None:
    """A text or an object that may be null is one type of two kinds, as is an enumeration, by its pattern."""
    request = PLAIN["ImageRequested"]["properties"]
    assert PLAIN["Article"]["type"] == "object"
    assert PLAIN["Brief"]["type"] == ["object", "null"]
    assert request["brief"]["$ref"] == "#/components/schemas/Brief"
    assert request["requested_by"]["type"] == ["string", "null"]
    assert (request["priority"]["type"], request["priority"]["pattern"]) == (
        ["string", "null"],
        "^(interactive|normal)$",
    )


def test_what_may_be_null_is_not_required() -> None:
    """A required number has no room for null in Java, Go or C#: it would become 0, or be refused."""
    assert "offset" not in PLAIN["DeadLetter"]["required"]
    assert "url_expires" not in PLAIN["ReadyPicture"]["required"]
    assert {"topic", "partition"} == set(PLAIN["DeadLetter"]["required"])


def test_integers_beyond_32_bits_say_so() -> None:
    """Revisions and seeds do not fit into Java's Integer; the number of steps does."""
    assert PLAIN["Article"]["properties"]["revision"]["format"] == "int64"
    assert PLAIN["Generation"]["properties"]["seed"]["format"] == "int64"
    assert PLAIN["DeadLetter"]["properties"]["offset"]["format"] == "int64"
    assert "format" not in PLAIN["Generation"]["properties"]["steps"]


def test_two_objects_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them would be lost without a word."""
    event = {"title": "A", "type": "object", "properties": {}}
    monkeypatch.setattr(plain, "event_schemas", lambda: {"a": event, "b": event | {"type": "string"}})
    with pytest.raises(ValueError, match="two different objects are called A"):
        plain_schemas()
