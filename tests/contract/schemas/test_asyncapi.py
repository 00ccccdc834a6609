"""`schemas/asyncapi.yaml` and `asyncapi-3.0.yaml`: complete, every reference resolves, every example is valid."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import schemas
from schemas.publish import event_schemas
from schemas.topics import load_topics

FOLDER = Path(schemas.__file__).parent
DOCUMENT: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
OLDER: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi-3.0.yaml").read_text(encoding="utf-8"))
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]

PARSE = """
const {Parser} = require('@asyncapi/parser');
const {fromFile} = require('@asyncapi/parser/cjs/from');
Promise.all(process.argv.slice(1).map((file) => fromFile(new Parser(), file).parse())).then((parsed) => {
  for (const {document, diagnostics} of parsed) {
    const found = diagnostics.map(({code, path}) => `${code} ${path.join('.')}`);
    console.log(document ? document.version() : 'refused', ...found);
  }
});
"""


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for item in node.values() for found in references(item)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    node: Any = json.loads((FOLDER / file).read_text(encoding="utf-8")) if file else DOCUMENT
    for key in pointer.strip("/").split("/") if pointer else ():
        node = node[key]
    return node


def test_it_says_read_committed_first() -> None:
    """The first line of the description is what a subscriber must not overlook."""
    first = DOCUMENT["info"]["description"].splitlines()[0]
    assert first.startswith("A subscriber MUST set isolation.level=read_committed")


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_every_reference_resolves(reference: str) -> None:
    """Inside the document and into the schema files."""
    assert isinstance(resolve(reference), dict)


def carried(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the messages of each address, in however many channels."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for channel in document["channels"].values():
        found[channel["address"]] |= channel["messages"].keys()
    return found


def test_the_older_version_is_the_same_contract_in_one_file() -> None:
    """Channels, operations and messages are the same; payloads are components, so that no other file is needed."""
    assert OLDER["asyncapi"] == "3.0.0"
    assert carried(OLDER) == carried(DOCUMENT)
    assert OLDER["operations"].keys() >= DOCUMENT["operations"].keys()
    assert OLDER["components"]["messages"].keys() == MESSAGES.keys()
    assert all(reference.startswith("#/") for reference in references(OLDER))


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_fits_the_older_version_too(name: str) -> None:
    """The plain schemas accept what the published ones do."""
    payload = OLDER["components"]["messages"][name]["payload"]
    validator = Draft202012Validator({**payload, "components": OLDER["components"]})
    for example in MESSAGES[name]["examples"]:
        validator.validate(example["payload"])


def test_every_event_type_has_a_message() -> None:
    """One message for each type, with the published schema as its payload."""
    payloads = {message["name"]: resolve(message["payload"]["schema"]["$ref"]) for message in MESSAGES.values()}
    assert payloads == event_schemas()


def test_channels_carry_what_their_topics_do() -> None:
    """Addresses, configuration and message types are those of `schemas/topics/`."""
    topics = {spec.name: spec for spec in load_topics()}
    for channel in DOCUMENT["channels"].values():
        spec = topics[channel["address"]]
        carried = {resolve(message["$ref"])["name"] for message in channel["messages"].values()}
        configured = channel["bindings"]["kafka"]["topicConfiguration"]
        assert carried == set(spec.types)
        assert str(configured["max.message.bytes"]) == spec.config["max.message.bytes"]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_is_valid(name: str) -> None:
    """Payloads fit the schema and headers fit both the trait and the message's own rules."""
    message = MESSAGES[name]
    trait = DOCUMENT["components"]["messageTraits"]["cloudEvent"]["headers"]
    assert message["examples"]
    for example in message["examples"]:
        Draft202012Validator(resolve(message["payload"]["schema"]["$ref"])).validate(example["payload"])
        Draft202012Validator({"allOf": [trait, message["headers"]]}).validate(example["headers"])


def test_the_official_parser_finds_nothing(javascript: Path) -> None:
    """AsyncAPI's own parser has nothing to say, but that the older document is not of the newest version."""
    command = ["node", "-e", PARSE, str(FOLDER / "asyncapi.yaml"), str(FOLDER / "asyncapi-3.0.yaml")]
    done = subprocess.run(  # noqa: S603 - our own
        command, cwd=javascript, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == ["3.1.0", "3.0.0 asyncapi-latest-version asyncapi"], done.stderr
