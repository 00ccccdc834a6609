"""The tables of `schemas/README.md`, generated from the models."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import names
from schemas.fields import PATTERNS_IN_WORDS, SAFE_INTEGER
from schemas.outcomes import OutcomeKind
from schemas.publish import Schema, event_schemas
from schemas.reasons import Reason
from schemas.topics import load_topics

_SECTION = re.compile(r"(<!-- (\w+): made by `make schemas` -->\n).*?(<!-- end -->)", re.DOTALL)

_BOUNDS: Final = {
    "maxLength": "at most {} characters",
}


@dataclass(frozen=True, slots=True)
class _Field:
    path: str
    kind: Schema
    nullable: bool
    required: bool
    default: object
    description: str


def readme(text: str) -> str:
    """Return the README with every marked section regenerated. Raises KeyError for an unknown section."""
    return _SECTION.sub(lambda match: f"{match[1]}\n{_SECTIONS[match[2]]()}\n{match[3]}", text)


def _topics() -> str:
    rows = [(f"`{spec.name}`", spec.kind.replace("_", " "), spec.description) for spec in load_topics()]
    return _table(("Topic", "Kind", "What for"), rows)


def _reasons() -> str:
    rows = [(f"`{reason}`", reason.meaning, reason.remedy) for reason in Reason]
    return _table(("`reason`", "What it means", "What to do"), rows)


def _request(event_type: str) -> Callable[[], str]:
    def table() -> str:
        rows = [
            (f"`{field.path}`", _value(field.kind), _default(field), field.description)
            for field in _fields(event_schemas()[event_type])
            if "properties" not in field.kind
        ]
        return _table(("Field", "Value", "Default", "What it says"), rows)

    return table


def _announcement(event_type: str) -> Callable[[], str]:
    def table() -> str:
        rows = [
            (f"`{field.path}`", _word(field.kind) + (" or null" if field.nullable else ""), field.description)
            for field in _fields(event_schemas()[event_type])
        ]
        return _table(("Field", "Value", "What it says"), rows)

    return table


def _fields(schema: Schema) -> Iterator[_Field]:
    """Walk a schema's fields, each object before its members."""

    def walk(model: Schema, prefix: str) -> Iterator[_Field]:
        required = model.get("required", ())
        for name, node in model["properties"].items():
            kind, path = _kind(schema, node), prefix + name
            nullable = {"type": "null"} in node.get("anyOf", ())
            description = node.get("description") or kind.get("description", "")
            yield _Field(path, kind, nullable, name in required, node.get("default"), description)
            if "properties" in kind:
                yield from walk(kind, f"{path}.")
            elif "properties" in (entry := _kind(schema, kind.get("items", {}))):
                yield from walk(entry, f"{path}[].")

    return walk(schema, "")


def _kind(schema: Schema, node: Schema) -> Schema:
    kind: Schema = next(option for option in node.get("anyOf", [node]) if option != {"type": "null"})
    if "$ref" in kind:
        kind = schema["$defs"][kind["$ref"].rsplit("/", 1)[1]]
    return kind


def _default(field: _Field) -> str:
    if field.required:
        return "required"
    return "" if field.default in (None, []) else f"`{field.default}`"


def _value(kind: Schema) -> str:
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    parts = [_word(kind), *_range(kind), *(words.format(kind[name]) for name, words in _BOUNDS.items() if name in kind)]
    if kind.get("pattern") in PATTERNS_IN_WORDS:
        parts.append(PATTERNS_IN_WORDS[kind["pattern"]])
    if "items" in kind:
        parts.append(f"each {_value(kind['items'])}")
    return ", ".join(parts)


def _word(kind: Schema) -> str:
    if kind.get("format") == "date-time":
        return "time"
    word: str = kind["type"]
    return {"string": "text", "array": "list", "integer": "whole number"}.get(word, word)


def _range(kind: Schema) -> list[str]:
    if "maximum" not in kind:
        return []
    most = "2^53-1" if kind["maximum"] == SAFE_INTEGER else kind["maximum"]
    return [f"{kind['minimum']} to {most}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_SECTIONS: Final[dict[str, Callable[[], str]]] = {
    "topics": _topics,
    "reasons": _reasons,
    "request": _request(names.IMAGE_REQUESTED),
    "recrop": _request(names.IMAGE_RECROP_REQUESTED),
    "chosen": _request(names.IMAGE_CHOSEN),
    "approved": _request(names.IMAGE_APPROVED),
    "withdrawal": _request(names.ARTICLE_WITHDRAWN),
    **{kind.value: _announcement(kind.event_type) for kind in OutcomeKind},
    "progress": _announcement(names.IMAGE_PROGRESS),
}
