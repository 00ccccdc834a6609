"""The published schemas, generated from the models, with which publishers and subscribers validate."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreSchema

from schemas import names
from schemas.outcomes import ANNOUNCEMENTS
from schemas.requests import REQUESTS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        """Omit titles that only repeat a field's name."""
        del schema
        return False


def event_schemas() -> dict[str, Schema]:
    """Return each event type's published schema: what is accepted for requests, what is written for the others.

    All are open, so that a later field does not break a strict validator.
    """
    emitted = {model.type: published(model, "serialization", model.type) for model in ANNOUNCEMENTS}
    accepted = {kind: published(model, "validation", kind) for kind, model in REQUESTS.items()}
    return {**accepted, **emitted}


def published(model: type[BaseModel], mode: JsonSchemaMode, event_type: str) -> Schema:
    """Return one model's open schema under the `dataschema` of its event type."""
    schema = model.model_json_schema(mode=mode, schema_generator=_Plain)
    return {"$schema": DIALECT, "$id": names.dataschema(event_type), **opened(schema)}


def opened(schema: Schema) -> Schema:
    """Return the schema with unknown fields allowed: what a reader must expect."""
    return _each_model(
        schema, lambda model: {key: item for key, item in model.items() if key != "additionalProperties"}
    )


def closed(schema: Schema) -> Schema:
    """Return the schema with unknown fields forbidden: what a writer of that version can write."""
    return _each_model(
        schema, lambda model: {**model, "additionalProperties": False} if "properties" in model else model
    )


def _each_model(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    # Models are the root and the definitions; other objects are parts of rules, which name only some fields.
    definitions = {name: change(model) for name, model in schema.get("$defs", {}).items()}
    return change({**schema, "$defs": definitions} if definitions else schema)
