"""`schemas.publish`: from models to published schemas."""

from __future__ import annotations

from schemas import names
from schemas.publish import closed, event_schemas, opened

SCHEMA = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/Inner"}},
    "anyOf": [{"properties": {"a": {"type": "object"}}}],
    "$defs": {"Inner": {"type": "object", "properties": {}}, "Code": {"type": "string"}},
}


def test_every_event_type_is_published_under_its_dataschema() -> None:
    """The `$id` is the URI that events of the type carry."""
    assert {kind: schema["$id"] for kind, schema in event_schemas().items()} == {
        kind: f"https://leadart.org/schemas/{kind.removeprefix('org.leadart.')}.json"
        for kind in (
            *names.REQUESTS,
            names.IMAGE_READY,
            names.IMAGE_FAILED,
            names.IMAGE_SUPERSEDED,
            names.IMAGE_EXPIRED,
            names.IMAGE_DECLINED,
            names.IMAGE_HELD,
            names.IMAGE_WITHDRAWN,
            names.IMAGE_CANCELLED,
            names.IMAGE_PROGRESS,
        )
    }


def test_published_schemas_are_open() -> None:
    """A later field does not break a strict validator, although our models forbid unknown fields."""
    assert all("'additionalProperties': False" not in str(schema) for schema in event_schemas().values())


def test_codes_that_may_grow_are_no_enumeration() -> None:
    """A new reason or stage breaks no strict validator either."""
    schemas = event_schemas()
    assert "enum" not in str(schemas[names.IMAGE_FAILED])
    assert "enum" not in str(schemas[names.IMAGE_PROGRESS])


def test_closing_concerns_models_and_not_rules() -> None:
    """Where a rule names only some fields, closing it would allow nothing."""
    shut = closed(SCHEMA)
    assert shut["additionalProperties"] is False
    assert shut["$defs"] == {
        "Inner": {"type": "object", "properties": {}, "additionalProperties": False},
        "Code": {"type": "string"},
    }
    assert shut["anyOf"] == SCHEMA["anyOf"]
    assert opened(shut) == SCHEMA
