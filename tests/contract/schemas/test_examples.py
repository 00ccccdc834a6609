"""Golden records: the current code reads every event in `schemas/examples/`, for ever."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

import schemas
from schemas import ANNOUNCEMENTS, names
from schemas.cloudevents import read, write
from schemas.publish import closed, event_schemas
from schemas.reader import parse_request

FOLDER = Path(schemas.__file__).parent / "examples"
GOLDEN = sorted(FOLDER.glob("*/*/*.json"))
REQUESTS = [
    path
    for path in GOLDEN
    if path.parts[-3]
    in {"image-requested", "image-recrop-requested", "image-chosen", "image-approved", "withdrawn", "restored"}
]
ANNOUNCED = [path for path in GOLDEN if path not in REQUESTS]
STRUCTURED = [("content-type", b"application/cloudevents+json")]
MODELS = {model.type: model for model in ANNOUNCEMENTS}


def name(path: Path) -> str:
    return "/".join(path.parts[-3:])


def whole(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return event


def test_every_type_has_examples() -> None:
    """A type without a golden record is not part of the contract yet."""
    assert {whole(path)["type"] for path in GOLDEN} == set(event_schemas())


@pytest.mark.parametrize("path", GOLDEN, ids=name)
def test_an_example_says_what_its_folder_says(path: Path) -> None:
    """Type, schema, subject and partition key agree with the path and the article."""
    kind, version, _ = path.parts[-3:]
    event = whole(path)
    assert event["type"] == f"org.leadart.article.{kind}.{version}"
    assert event["dataschema"] == names.dataschema(event["type"])
    assert event["subject"] == event["partitionkey"] == event["data"]["article"]["id"]


@pytest.mark.parametrize("path", GOLDEN, ids=name)
def test_an_example_fits_its_published_schema(path: Path) -> None:
    """The schema with which publishers and subscribers validate accepts it, formats included."""
    event = whole(path)
    validator = Draft202012Validator(event_schemas()[event["type"]], format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(event["data"])] == []


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.stem != "later-fields"], ids=name)
def test_an_example_fits_the_closed_schema_too(path: Path) -> None:
    """The compatibility check compares closed schemas; that they accept these events shows they are not empty."""
    event = whole(path)
    Draft202012Validator(closed(event_schemas()[event["type"]])).validate(event["data"])


@pytest.mark.parametrize("path", REQUESTS, ids=name)
def test_a_request_is_read_in_both_modes(path: Path) -> None:
    """The worker reads it in structured mode, as stored, and in binary mode, as most publishers send it."""
    value = path.read_bytes()
    key = whole(path)["data"]["article"]["id"].encode()
    event, request = parse_request(key, STRUCTURED, value)
    assert parse_request(key, *write(event)) == (event, request)
    assert request.article.id.encode() == key


@pytest.mark.parametrize("path", [path for path in REQUESTS if b'"revision"' in path.read_bytes()], ids=name)
def test_a_whole_number_may_be_written_as_a_fraction(path: Path) -> None:
    """Some publishers write all numbers so, as one example did when it was released; types in Go cannot read that."""
    value, key = path.read_bytes(), whole(path)["data"]["article"]["id"].encode()
    fraction = re.sub(rb'("revision": \d+)', rb"\1.0", value)
    assert fraction != value
    assert parse_request(key, STRUCTURED, fraction)[1] == parse_request(key, STRUCTURED, value)[1]


@pytest.mark.parametrize("path", ANNOUNCED, ids=name)
def test_an_announcement_is_what_the_model_writes(path: Path) -> None:
    """The current model knows all of its fields and writes each of them again."""
    event = read(STRUCTURED, path.read_bytes())
    model = MODELS[event.type].model_validate(event.data)
    written = model.model_dump(mode="json")
    assert contained(event.data, written)


def contained(old: object, new: object) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and contained(item, new[key]) for key, item in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(contained, old, new))
    return old == new
