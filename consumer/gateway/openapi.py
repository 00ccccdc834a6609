"""The OpenAPI 3.1 document: what FastAPI finds out by itself, completed by the contract's schemas.

Bodies are read as the bus reads events, and answers are written without a model, so both are told here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from consumer.gateway.answers import ANSWERS
from consumer.gateway.flat_fields import FlatRequest
from consumer.gateway.openapi_text import BODIES, DESCRIPTION, EVENT_STREAM, TAGS
from consumer.gateway.routes.preferences import SectionPreferences
from consumer.gateway.routes.tokens import TokenRequest
from schemas.plain import plain_schemas

Node = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
PUBLIC: Final = ("/v1/pictures/", "/v1/styles/", "/generated-images/", "/healthz", "/readyz")
"""Paths that need no credential."""
BEARER: Final[Node] = {"bearer": []}
SESSION: Final[Node] = {"session": []}
_PROBLEMS: Final = {
    "400": "The body is no JSON that can be read, or a header that has one value has two.",
    "401": "No valid credential.",
    "403": "The credential does not allow it.",
    "404": "There is nothing of that name that the caller may see.",
    "410": "The picture was withdrawn.",
    "413": "The body is too long.",
    "415": "The body is not declared as JSON.",
    "422": "A field or parameter is wrong: `field` names it.",
    "429": "The caller's limit is reached: `retry-after` says when to try again.",
    "503": "The gateway is starting, or Kafka, the store or the issuer does not answer: `retry-after` says when to try "
    "again. What was to be published is not, except where `reason` is `unanswered`: then a repeat needs the same "
    "`Idempotency-Key`.",
}
_SEEING: Final = ("400", "401", "403", "404", "422", "429", "503")
_DECIDING: Final = (*_SEEING, "413", "415")


@dataclass(frozen=True, slots=True)
class HttpOperation:
    """What FastAPI does not know of an endpoint: schemas by name, statuses of problems."""

    id: str
    answer: str | None = None
    body: str | None = None
    problems: tuple[str, ...] = _SEEING
    is_stream: bool = False


_SLOT: Final = "/v1/articles/{article_id}/slots/{slot}"
OPERATIONS: Final[Mapping[tuple[str, str], HttpOperation]] = {
    ("post", "/v1/images"): HttpOperation("requestImages", "AcceptedImage", "ImageRequest", _DECIDING),
    ("get", "/v1/images/{image_id}"): HttpOperation("getImage", "ImageDetails"),
    ("get", "/v1/images/{image_id}/events"): HttpOperation("followImage", is_stream=True),
    ("get", "/v1/events"): HttpOperation("followArticles", is_stream=True),
    ("get", "/v1/articles"): HttpOperation("listArticles", "ArticleList"),
    ("get", "/v1/articles/{article_id}"): HttpOperation("getArticle", "ArticleSummary"),
    ("get", _SLOT): HttpOperation("getSlot", "SlotDetails"),
    ("post", f"{_SLOT}/choose"): HttpOperation("choosePicture", "AcceptedImage", "Choice", _DECIDING),
    ("post", f"{_SLOT}/crop"): HttpOperation("cropPicture", "AcceptedImage", "Recrop", _DECIDING),
    ("post", f"{_SLOT}/approve"): HttpOperation("approveRequest", "AcceptedImage", "Approval", _DECIDING),
    ("post", f"{_SLOT}/withdraw"): HttpOperation("withdrawSlot", "AcceptedImage", "Withdrawal", _DECIDING),
    ("post", f"{_SLOT}/restore"): HttpOperation("restoreSlot", "AcceptedImage", "Restoration", _DECIDING),
    ("get", "/v1/pictures/{sha256}/{rendition}"): HttpOperation("getPicture", problems=("404", "410", "503")),
    ("get", "/v1/pictures/{sha256}/{rendition}/download"): HttpOperation(
        "downloadPicture", problems=("404", "410", "503")
    ),
    ("get", "/generated-images/{date}/{file}"): HttpOperation("getGeneratedImage", problems=("404", "410", "503")),
    ("get", "/v1/styles"): HttpOperation("listStyles", "StyleList"),
    ("get", "/v1/styles/{name}/sample"): HttpOperation("getStyleSample", problems=("404", "503")),
    ("get", "/v1/renditions"): HttpOperation("listRenditionSets", "RenditionSets"),
    ("get", "/v1/preferences"): HttpOperation(
        "getPreferences", "RememberedValues", problems=("400", "401", "403", "429", "503")
    ),
    ("put", "/v1/preferences"): HttpOperation(
        "savePreferences",
        "RememberedValues",
        "SectionPreferences",
        ("400", "401", "403", "413", "415", "422", "429", "503"),
    ),
    ("post", "/v1/session"): HttpOperation(
        "signIn", "SessionFacts", "SignIn", ("400", "401", "403", "413", "415", "422", "429", "503")
    ),
    ("get", "/v1/session"): HttpOperation("whoAmI", "SessionFacts", problems=("400", "401", "403", "503")),
    ("delete", "/v1/session"): HttpOperation("signOut", problems=("403", "503")),
    ("post", "/v1/tokens"): HttpOperation(
        "makeToken", "ShortToken", "TokenRequest", ("400", "401", "403", "413", "415", "422", "429", "503")
    ),
    ("get", "/healthz"): HttpOperation("isAlive", problems=()),
    ("get", "/readyz"): HttpOperation("isReady", problems=("503",)),
}


def install(app: FastAPI) -> None:
    """Have the application describe itself so, worked out once when it is asked for."""

    def openapi() -> Node:
        app.openapi_schema = app.openapi_schema or document(app)
        return app.openapi_schema

    setattr(app, "openapi", openapi)  # noqa: B010 - FastAPI's documented way, which is no assignment for mypy


def document(app: FastAPI) -> Node:
    """Return the document."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "This gateway."}],
    )
    for path, operations in made["paths"].items():
        for method, node in operations.items():
            _complete(node, path, OPERATIONS.get((method, path)))
    components = made.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}))
    components["securitySchemes"] = _credentials()
    return {**made, "security": [BEARER, SESSION]}


def _complete(node: Node, path: str, told: HttpOperation | None) -> None:
    answers: Node = node["responses"]
    if "422" in answers:
        answers["422"] = _problem("422")
    if path.startswith(PUBLIC):
        node["security"] = []
    if told is None:
        return
    node["operationId"] = told.id
    answers.update({status: _problem(status) for status in sorted(told.problems)})
    if told.is_stream:
        answers["200"] = EVENT_STREAM
    if told.answer:
        answers[next(iter(answers))]["content"] = _json({"$ref": SCHEMAS + told.answer})
    if told.body:
        schema, examples = BODIES[told.body]
        node["requestBody"] = {"required": True, "content": _json({"$ref": SCHEMAS + schema}, examples)}


def _problem(status: str) -> Node:
    schema = {"$ref": f"{SCHEMAS}ProblemDetails"}
    return {"description": _PROBLEMS[status], "content": {"application/problem+json": {"schema": schema}}}


def _json(schema: Node, examples: Mapping[str, Any] | None = None) -> Node:
    named = {name: {"value": value} for name, value in (examples or {}).items()}
    return {"application/json": {"schema": schema, **({"examples": named} if named else {})}}


def _schemas(found: Node) -> Node:
    """Return all components: FastAPI's without its own errors, the contract's, and those of bodies and answers."""
    own = {name: schema for name, schema in found.items() if name not in {"HTTPValidationError", "ValidationError"}}
    contract = plain_schemas()
    _, answers = models_json_schema([(model, "serialization") for model in ANSWERS], ref_template=SCHEMAS + "{model}")
    read = (FlatRequest, TokenRequest, SectionPreferences)
    _, flat = models_json_schema([(model, "validation") for model in read], ref_template=SCHEMAS + "{model}")
    bodies = {
        "ImageRequest": {"anyOf": [{"$ref": f"{SCHEMAS}ImageRequested"}, {"$ref": f"{SCHEMAS}FlatRequest"}]},
        "Choice": _about_slot(
            contract["ImageChosen"],
            "Keep a picture in the slot. `picture` is to be said: null lets go of the choice. It is left out only with "
            "`external: true`.",
        ),
        "Recrop": _about_slot(contract["ImageRecropRequested"], "Crop a picture anew."),
        "Approval": _about_slot(contract["ImageApproved"], "Have the held request painted."),
        "Withdrawal": _about_slot(contract["ArticleWithdrawn"], "Take the slot's pictures down."),
        "Restoration": _about_slot(contract["ArticleRestored"], "Let the slot have pictures again."),
    }
    bodies["SignIn"] = {"type": "object", "properties": {"key": {"type": "string", "description": "An API key."}}}
    return dict(sorted({**own, **answers["$defs"], **flat["$defs"], **contract, **bodies}.items()))


def _about_slot(schema: Node, description: str) -> Node:
    """Return a decision's data as a body: article and slot are in the path, the newest revision is filled in."""
    revision = {"type": "integer", "description": "The revision that the editor saw; absent: the newest."}
    article = {"type": "object", "properties": {"revision": revision}}
    fields = {name: field for name, field in schema["properties"].items() if name not in {"article", "slot"}}
    required = [name for name in schema.get("required", ()) if name in fields]
    return {
        "type": "object",
        "description": description,
        "properties": {
            **({"article": article} if "revision" in str(schema["properties"]["article"]) else {}),
            **fields,
        },
        **({"required": required} if required else {}),
    }


def _credentials() -> Node:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`leadart keys create`) or a short-lived token (`POST /v1/tokens`).",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "leadart-session",
            "description": "The desk's cookie (`POST /v1/session`), for pages of the gateway's own origin.",
        },
    }
