"""The published schemas in a plainer form, from which code generators such as Modelina make types that compile.

They give a union with null no name, cannot compile an enumeration with null or an empty list as a default, and give an
integer 32 bits unless its format says otherwise, and no room for null if it is required. So here null stands beside the
type, what may be null is not required, and an enumeration is a text with a pattern.
"""

from collections.abc import Iterator
from typing import Any, Final

from schemas.publish import Schema, event_schemas

COMPONENTS: Final = "#/components/schemas/"

_NULL: Final = {"type": "null"}
_DEFINITIONS: Final = "#/$defs/"
_INT32: Final = 2**31 - 1


def plain_schemas() -> dict[str, Schema]:
    """Return the schemas of all events and of the objects in them by title, referring to each other as components.

    An object that may be null somewhere may be so everywhere. Raises ValueError if two objects of one title differ.
    """
    found: dict[str, Schema] = {}
    events = list(event_schemas().values())
    nullable = frozenset(title for event in events for title in _nullable(event))
    for title, schema in (named for event in events for named in _components(event, nullable)):
        if found.setdefault(title, schema) != schema:
            raise ValueError(f"two different objects are called {title}: rename one of the models")
    return found


def _components(event: Schema, nullable: frozenset[str]) -> Iterator[tuple[str, Schema]]:
    definitions: dict[str, Schema] = event.get("$defs", {})
    root = {key: item for key, item in event.items() if key not in {"$schema", "$id", "$defs"}}
    yield root["title"], _plain(root, definitions)
    for title, definition in definitions.items():
        if "enum" not in definition:
            plain = _plain(definition, definitions)
            yield title, _or_null(plain) if title in nullable else plain


def _nullable(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if _NULL in node.get("anyOf", ()) and "$ref" in node["anyOf"][0]:
            yield _title(node["anyOf"][0])
        for item in node.values():
            yield from _nullable(item)


def _plain(node: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _plain(item, definitions)
        for key, item in _without_union(node, definitions).items()
        if not (key == "default" and item in (None, []))
    }
    return _of_64_bits(_without_nullable_among_required(plain, node))


def _without_nullable_among_required(plain: Schema, node: Schema) -> Schema:
    if not isinstance(node.get("required"), list):
        return plain
    return plain | {"required": [n for n in node["required"] if _NULL not in node["properties"][n].get("anyOf", ())]}


def _without_union(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if _NULL not in node.get("anyOf", ()):
        return {**node, "$ref": COMPONENTS + _title(node)} if "$ref" in node else node
    kind: Schema = node["anyOf"][0]
    notes = {key: item for key, item in node.items() if key != "anyOf"}
    if "$ref" not in kind:
        return {**_or_null(kind), **notes}
    if "enum" in definitions[_title(kind)]:
        return {"type": ["string", "null"], "pattern": f"^({'|'.join(definitions[_title(kind)]['enum'])})$", **notes}
    return {"$ref": COMPONENTS + _title(kind), **notes}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _of_64_bits(schema: Schema) -> Schema:
    integer = schema.get("type") in ("integer", ["integer", "null"])
    return {**schema, "format": "int64"} if integer and schema.get("maximum", _INT32 + 1) > _INT32 else schema


def _title(reference: Schema) -> str:
    title: str = reference["$ref"].removeprefix(_DEFINITIONS)
    return title
