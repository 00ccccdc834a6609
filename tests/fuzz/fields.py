"""Mutations of a request's data, made from its published schema; the schema also says what has to become of them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError, validators

import schemas
from tests.fuzz.case import SECRET, Doubled, Draft, Expect, Raw
from tests.fuzz.texts import hostile

SCHEMA: Final = Path(schemas.__file__).parent / "events" / "article.image-requested.v1.json"
LONGEST: Final = {"tags": 50, "subject_hints": 20, "avoid": 20, "changed_fields": 50}
OTHER_TYPES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 7.0, -0.0, 10**30, "", "7", "x", " ", [], [[]], [None], {}, {"id": "x"}, [{}],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field that the schema names, with its bounds."""

    path: tuple[str, ...]
    spec: dict[str, Any]


def _matches(validator: Any, pattern: str, text: object, spec: object) -> Iterator[ValidationError]:
    """Match as ECMAScript does, which JSON Schema means: there `$` is no leave for a line break at the end."""
    del validator, spec
    if isinstance(text, str) and not re.search(pattern.replace("$", r"\Z"), text):
        yield ValidationError("no match")


_AsPublishersDo: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _matches}
)


@cache
def _schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return document


@cache
def _validator() -> Any:
    return _AsPublishersDo(_schema())


@cache
def fields() -> tuple[Field, ...]:
    """Return every field of a request, objects included."""
    return tuple(_walk((), _schema()))


def _walk(path: tuple[str, ...], spec: dict[str, Any]) -> list[Field]:
    found = []
    for name, member in spec.get("properties", {}).items():
        kind = _resolved(member)
        found.append(Field((*path, name), kind))
        found += _walk((*path, name), kind)
    return found


def _resolved(spec: dict[str, Any]) -> dict[str, Any]:
    for branch in (spec, *spec.get("anyOf", ())):
        if "$ref" in branch:
            name = branch["$ref"].rsplit("/", 1)[1]
            return _schema()["$defs"][name]  # type: ignore[no-any-return]
        if branch is not spec and branch.get("type") != "null":
            return {**spec, **branch}
    return spec


def judged(draft: Draft) -> Draft:
    """Let the published schema say what has to become of the data."""
    style = draft.data.get("style")
    if isinstance(style, dict) and "preset" in style:
        return replace(draft, expect=Expect.EITHER)  # which presets there are is the house's matter, not the schema's
    valid = _validator().is_valid(draft.data) and _fits_what_is_only_described(draft.data)
    valid = valid and draft.expect is not Expect.REFUSED
    return replace(draft, expect=Expect.READY if valid else Expect.REFUSED)


def _fits_what_is_only_described(data: dict[str, Any]) -> bool:
    """Apply the rules that the schema's descriptions state: lists have a longest, and there has to be a text."""
    article, brief = data.get("article") or {}, data.get("brief") or {}
    lists = {**article, **brief, **data}
    fits = all(len(lists.get(name) or ()) <= most for name, most in LONGEST.items())
    return fits and any((text or "").strip() for text in (article.get("headline"), brief.get("prompt")))


def set_at(data: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy with one field set; objects on the way are made."""
    changed = copy.deepcopy(data)
    parent: Any = changed
    for name in path[:-1]:
        parent = parent.setdefault(name, {})
        if not isinstance(parent, dict):
            return changed
    parent[path[-1]] = value
    return changed


def _with_key(draft: Draft) -> Draft:
    """Keep the key true to the article id wherever that can be a key."""
    article = draft.data.get("article")
    told = article.get("id") if isinstance(article, dict) else None
    if isinstance(told, str):
        return replace(draft, key=told.encode("utf-8", "surrogatepass"))
    return draft


def _mutated(dice: Random, field: Field, value: Any) -> Draft:
    draft = Draft.fresh(dice)
    return judged(_with_key(replace(draft, data=set_at(draft.data, field.path, value))))


def dropped(dice: Random) -> Raw:
    """Leave a field out."""
    field, draft = dice.choice(fields()), Draft.fresh(dice)
    data = copy.deepcopy(draft.data)
    parent: Any = data
    for name in field.path[:-1]:
        parent = parent.get(name, {})
    parent.pop(field.path[-1], None)
    return judged(replace(draft, data=data)).either_mode(dice)


def duplicated(dice: Random) -> Raw:
    """Name a field twice, the second time with another value."""
    field, draft = dice.choice(fields()), Draft.fresh(dice)
    *parents, last = field.path
    data = copy.deepcopy(draft.data)
    home: Any = data
    for name in parents:
        home = home.setdefault(name, {"x": None})
    members = dict(home) or {"x": None}
    others = [(last, dice.choice(OTHER_TYPES)), (last, home.get(last))]
    dice.shuffle(others)
    again = Doubled(members, others)
    whole = set_at(data, tuple(parents), again) if parents else again
    return replace(draft, data=whole, expect=Expect.EITHER).either_mode(dice)


def retyped(dice: Random) -> Raw:
    """Give a field a value of another type."""
    return _mutated(dice, dice.choice(fields()), dice.choice(OTHER_TYPES)).either_mode(dice)


def out_of_bounds(dice: Random) -> Raw:
    """Give a bounded field a value at its bound, just past it, or far off."""
    bounded = [field for field in fields() if _edges(field.spec)]
    field = dice.choice(bounded)
    return _mutated(dice, field, dice.choice(_edges(field.spec))).either_mode(dice)


def _edges(spec: dict[str, Any]) -> list[Any]:
    edges: list[Any] = []
    if "enum" in spec:
        edges += [f"{spec['enum'][0]} ", str(spec["enum"][0]).upper(), ""]
    for name in ("minimum", "maximum"):
        if name in spec:
            edges += [spec[name] - 1, spec[name], spec[name] + 1, spec[name] + 0.5, -(10**400), 10**400, 1e308, 2**53]
    if "maxLength" in spec:
        edges += ["x" * (spec["maxLength"] + more) for more in (-1, 0, 1, 5000)]
    if "pattern" in spec:
        edges += ["", " ", "x\n", "\nx", "x ", "é" * 200, "A_B.C"]
    if "items" in spec:
        longest = spec["items"]["maxLength"]
        edges += [["x"] * most for length in set(LONGEST.values()) for most in (length, length + 1)]
        edges += [["x" * (longest + 1)], [None], [7]]
    return edges


def hostile_text(dice: Random) -> Raw:
    """Put a text that breaks logs, terminals and paths into any field that holds text."""
    texts = [field for field in fields() if field.spec.get("type") in {"string", "array"}]
    field, text = dice.choice(texts), hostile(dice)
    if field.path[-1] not in {"id", "slot", "locale", "preset", "reason", "priority"}:
        text += f" {SECRET}"
    draft = _mutated(dice, field, [text] if field.spec["type"] == "array" else text)
    if any("\ud800" <= character <= "\udfff" for character in text):
        draft = replace(draft, expect=Expect.REFUSED)  # half a character is no text, whatever a schema counts
    return draft.either_mode(dice)


def several(dice: Random) -> Raw:
    """Change two to five fields at once."""
    draft = Draft.fresh(dice)
    for _ in range(dice.randrange(2, 6)):
        field = dice.choice(fields())
        value = dice.choice([*OTHER_TYPES, *_edges(field.spec)])
        draft = replace(draft, data=set_at(draft.data, field.path, value))
    return judged(_with_key(draft)).either_mode(dice)


def unknown_fields(dice: Random) -> Raw:
    """Add fields that no schema knows: they are ignored, whatever they are called."""
    draft = Draft.fresh(dice)
    home = dice.choice([(), ("article",), ("brief",), ("output",)])
    name = hostile(dice).encode("utf-8", "ignore").decode() or "x"
    data = set_at(draft.data, (*home, f"_{name}"), dice.choice([SECRET, 1, {"a": [1]}, None]))
    return judged(replace(draft, data=data)).either_mode(dice)
