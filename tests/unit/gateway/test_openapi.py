from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator

from consumer.gateway import openapi
from consumer.gateway.app import make_app
from consumer.gateway.openapi_text import BODIES
from tests.support.described import DescribedAnswers
from tests.support.gateway import GatewayBench
from tests.support.harness import request_data

BY_BODY = {operation.body: path for (_, path), operation in openapi.OPERATIONS.items() if operation.body}


@pytest.fixture
def app(bench: GatewayBench) -> FastAPI:
    return make_app(bench.gateway)


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): node for path, methods in document["paths"].items() for method, node in methods.items()}


async def test_the_document_is_valid(bench: GatewayBench) -> None:
    """A validator of OpenAPI 3.1 finds nothing wrong with it, nor with that of the task API."""
    for path in ("/v1/openapi.json", "/api/v1/openapi.json"):
        document = (await bench.client.get(path)).json()
        assert document["openapi"] == "3.1.0"
        assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_is_described(app: FastAPI) -> None:
    """By a name that clients can call, its answer's schema, and problems; what is described exists."""
    found = operations(app.openapi())
    assert found.keys() == openapi.OPERATIONS.keys()
    for (_, path), node in found.items():
        assert "_" not in node["operationId"], node["operationId"]
        content = next(iter(node["responses"].values())).get("content", {})
        told = content.get("application/json", {}).get("schema", {})
        assert "application/json" not in content or "$ref" in told or path in {"/healthz", "/readyz"}, path


def test_every_reference_leads_somewhere(app: FastAPI) -> None:
    """No schema names another one that is not there."""
    document = app.openapi()
    named = document["components"]["schemas"]

    def references(node: Any) -> set[str]:
        if isinstance(node, list):
            return {name for item in node for name in references(item)}
        if not isinstance(node, dict):
            return set()
        own = {node["$ref"].removeprefix(openapi.SCHEMAS)} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(item) for item in node.values()))

    assert references(document) <= named.keys()


def test_who_needs_a_key_is_told(app: FastAPI) -> None:
    """All operations but those that a page or a probe calls."""
    document = app.openapi()
    open_to_all = {path for (_, path), node in operations(document).items() if node.get("security") == []}
    assert open_to_all == {path for path in document["paths"] if path.startswith(openapi.PUBLIC)}
    assert document["security"] == [{"bearer": []}, {"session": []}]


NOT_PUBLISHED = {"SignIn", "SectionPreferences", "TokenRequest"}


@pytest.mark.parametrize("body", sorted(set(BODIES) - NOT_PUBLISHED))
async def test_the_examples_of_bodies_are_accepted(bench: GatewayBench, app: FastAPI, body: str) -> None:
    """Each fits its schema, and is published with every field understood."""
    schema, examples = BODIES[body]
    await bench.ask(request_data("a-1"))
    for example in examples.values():
        DescribedAnswers(app).validate({"$ref": openapi.SCHEMAS + schema}, example)
        path = BY_BODY[body].format(article_id="a-1", slot="hero")
        answer = await bench.call("POST", path, example)
        assert (answer.status_code, answer.json().get("ignored")) == (202, []), answer.text


@pytest.mark.parametrize(
    ("body", "endpoint", "status"),
    [("SectionPreferences", "PUT /v1/preferences", 200), ("TokenRequest", "POST /v1/tokens", 201)],
)
async def test_the_examples_of_other_bodies_are_accepted(
    bench: GatewayBench, app: FastAPI, body: str, endpoint: str, status: int
) -> None:
    """Each fits its schema, and does what it shows."""
    schema, examples = BODIES[body]
    for example in examples.values():
        DescribedAnswers(app).validate({"$ref": openapi.SCHEMAS + schema}, example)
        method, path = endpoint.split()
        assert (await bench.call(method, path, example)).status_code == status
