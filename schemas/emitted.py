"""The base of everything that the worker announces."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Emitted(BaseModel):
    """Base of what is announced: closed, frozen, every field always present.

    `later` names those of a class's own fields that were added after the first release. The published schema does not
    require them, because earlier events are still in the topics and must stay valid.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, hide_input_in_errors=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Make later fields optional in the published schema."""
        reference = handler(schema)
        resolved = handler.resolve_ref_schema(reference)
        later = frozenset[str]().union(*(vars(base).get("later", ()) for base in cls.__mro__))
        resolved["required"] = [name for name in resolved["required"] if name not in later]
        return reference
