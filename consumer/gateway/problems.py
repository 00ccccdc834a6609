"""Errors as RFC 9457 problems, which name the field exactly as a failed outcome on the bus does."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from consumer.delivery.ports import BusError
from consumer.errors import LeadartError, Rejected
from schemas import ContractError, Reason

MEDIA_TYPE = "application/problem+json"
TYPES = "https://leadart.org/problems/"
RETRY_SECONDS = 5
_STATUSES = {Reason.NOT_JSON: 400, Reason.NOT_UTF8: 400, Reason.TOO_LARGE: 413}
"""Of errors that are about the body as a whole."""
_NAMES = {"json": "JSON", "utf8": "UTF-8"}
"""How names are written that reasons have in small letters."""
OwnReason = Literal[
    "bad_request",
    "bus_unavailable",
    "forbidden",
    "http_error",
    "idempotency_key_reused",
    "invalid_value",
    "issuer_unavailable",
    "method_not_allowed",
    "not_found",
    "quota_exceeded",
    "starting",
    "too_large",
    "too_many_connections",
    "too_many_requests",
    "unanswered",
    "unauthorized",
    "unsupported_media_type",
    "withdrawn",
]
"""Codes of what the gateway refuses by itself; the others are the contract's. The desk has words for each."""
_HTTP_REASONS: dict[int, tuple[OwnReason, str]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method: Allow lists those it does."),
    413: ("too_large", ""),
}
"""Of errors of the framework: the reason, and words instead of its own."""


class Problem(Exception):
    """An answer with an error status: a stable `reason`, a sentence for people, and the field it is about.

    `retry_after`: seconds after which it may go well. `did_you_mean`: for unknown fields that resemble a known one, its
    path.
    """

    def __init__(
        self,
        status: int,
        reason: Reason | OwnReason,
        detail: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.field = field
        self.did_you_mean: Mapping[str, str] = {}
        self.retry_after = RETRY_SECONDS if retry_after is None and status == 503 else retry_after

    def response(self) -> JSONResponse:
        """Return the answer."""
        body = {"type": f"{TYPES}{self.reason}", "title": _title(self.reason), "status": self.status}
        body |= {"detail": self.detail, "reason": self.reason, **({"field": self.field} if self.field else {})}
        body |= {"did_you_mean": dict(self.did_you_mean)} if self.did_you_mean else {}
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        headers |= {"www-authenticate": "Bearer"} if self.status == 401 else {}
        return JSONResponse(body, self.status, headers, MEDIA_TYPE)


def _title(reason: str) -> str:
    words = reason.replace("_", " ").capitalize()
    return re.sub(r"\b(json|utf8)\b", lambda name: _NAMES[name[0]], words)


def not_found(what: str) -> Problem:
    """Return the problem of something that is not there, or not the caller's: they look the same."""
    return Problem(404, "not_found", f"There is no {what} that this key may see.")


def of_error(error: ContractError | LeadartError) -> Problem:
    """Return an error with the words that a failed outcome has for it."""
    rejected = isinstance(error, ContractError | Rejected)
    status = _STATUSES.get(error.reason, 422) if rejected and error.field is None else 422 if rejected else 503
    return Problem(status, error.reason, error.message, field=error.field)


def install(app: FastAPI, answer: Callable[[Problem], JSONResponse] = Problem.response) -> None:
    """Have every error of ours answered as a problem, or in another form."""

    async def problem(_request: Request, error: Exception) -> JSONResponse:
        return answer(of_exception(error))

    for kind in (Problem, ContractError, LeadartError, BusError):
        app.add_exception_handler(kind, problem)


def install_for_http(app: FastAPI) -> None:
    """Have the errors of FastAPI itself answered as problems."""

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return Problem(422, "invalid_value", f"`{field}` {_sentence(first)}.", field=field).response()

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        reason, detail = _HTTP_REASONS.get(error.status_code, ("http_error", ""))
        response = Problem(error.status_code, reason, detail or f"{error.detail}.").response()
        response.headers.update(error.headers or {})
        return response


def _sentence(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a field by one of pydantic's errors, after the field's name."""
    match error["type"]:
        case "missing":
            return "is missing: fill it in"
        case "extra_forbidden":
            return "is not known here: leave it out, or correct its name"
        case _:
            return f"is invalid: {error['msg'][:1].lower()}{error['msg'][1:]}"


def of_exception(error: Exception) -> Problem:
    """Return an error of ours as a problem."""
    match error:
        case Problem():
            return error
        case ContractError() | LeadartError():
            return of_error(error)
        case _:
            return Problem(503, "bus_unavailable", f"Kafka does not answer ({error}): try again.")
