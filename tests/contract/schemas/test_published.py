"""The published schemas: well formed, and consistent with the models."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

import schemas
from schemas import ImageRequested, names
from schemas.publish import event_schemas

FOLDER = Path(schemas.__file__).parent
FILES = sorted((FOLDER / "events").glob("*.json"))
FULL = json.loads((FOLDER / "examples/image-requested/v1/full.json").read_text(encoding="utf-8"))["data"]
REQUESTED = Draft202012Validator(event_schemas()[names.IMAGE_REQUESTED])


def test_the_files_are_well_formed() -> None:
    """An independent tool validates them against the dialect that they declare."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "check_jsonschema", "--check-metaschema", *map(str, FILES)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_named_by_its_id(path: Path) -> None:
    """The `dataschema` of an event leads to the file."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert schema["$id"].endswith(f"/{path.name}")
    assert {"$schema", "title", "description", "properties", "required"} <= schema.keys()


def test_rules_that_break_generated_types_are_described_only() -> None:
    """No schema joins its fields in a union or bounds a list; the request's descriptions state both rules."""
    for schema in event_schemas().values():
        assert "anyOf" not in schema
        assert "maxItems" not in json.dumps(schema)
    request = event_schemas()[names.IMAGE_REQUESTED]
    assert "one of `article.headline` and `brief.prompt` is required" in request["description"]
    tags = request["$defs"]["Article"]["properties"]["tags"]
    assert tags["description"].endswith(" At most 50 entries.")


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, item in pairs for found in [(*path, key), *places(item, (*path, key))]]


def replaced(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    data: dict[str, Any] = copy.deepcopy(FULL)
    node: Any = data
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return data


WORDS = st.text("aZ09 -_.", max_size=45) | st.sampled_from(["save", "refine", "normal", "hero", "en-GB", "x" * 9000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([16, 512, 512.0, 2048, 2**53, 1e300, 0.5]) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "slot", "width"]), inner),
    max_leaves=10,
)


def types_of_refusal(data: object) -> set[str]:
    try:
        ImageRequested.model_validate(data)
    except ValidationError as error:
        return {found["type"] for found in error.errors()}
    return set()


ONLY_DESCRIBED = {"too_many_pixels", "nothing_to_paint", "too_long"}
"""Rules that the schema's descriptions state: JSON Schema cannot express the first, and from the others code generators
make types that refuse the contract's own examples."""


@given(st.sampled_from(places(FULL)), VALUES)
@settings(deadline=None, max_examples=500)
def test_schema_and_model_accept_the_same(path: tuple[str | int, ...], value: object) -> None:
    """For any value at any place of a request, a publisher's validator and the worker agree."""
    data = replaced(path, value)
    refused = types_of_refusal(data)
    assume(refused.isdisjoint(ONLY_DESCRIBED))
    assert REQUESTED.is_valid(data) is (not refused)
