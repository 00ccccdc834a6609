"""The task API of the service that leadart replaces: generate, poll the status, fetch the result.

Tasks are requests on the bus: a restart loses none, and several gateways share them. It is an application of its own,
whose errors have FastAPI's form, not that of the other endpoints.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from consumer import __version__
from consumer.gateway import problems
from consumer.gateway.access.callers import caller, needs
from consumer.gateway.access.principal import Principal, Scope
from consumer.gateway.board.image import BoardImage, UnansweredState
from consumer.gateway.flat_fields import ARTICLE_PREFIX, FlatRequest
from consumer.gateway.problems import Problem
from consumer.gateway.routes.health import Anyhow
from consumer.gateway.routes.images import Opened, find_image, publish_flat
from consumer.gateway.services import Gateway
from consumer.gateway.tasks import UNDER_WAY, answers_again, article_of, image_urls, latest_task, repeat_of
from schemas import OutcomeKind

PATH = "/api/v1"
_STATUSES = {
    str(UnansweredState.QUEUED): "pending",
    str(OutcomeKind.HELD): "pending",
    str(UnansweredState.PAINTING): "processing",
    str(OutcomeKind.READY): "completed",
}
"""What a task's state is called here; any other end is `failed`."""


async def task_caller(request: Request, gateway: Opened) -> Principal:
    """Return who calls: by a key or a session, or without any for the source that the operator named."""
    source = gateway.settings.gateway.task_api_source
    if source is None or "authorization" in request.headers:
        return await caller(request, gateway)
    principal = Principal("task API", source, frozenset({Scope.PUBLISH, Scope.READ}), (f"{ARTICLE_PREFIX}*",))
    gateway.rates.check(principal)
    return principal


async def _publisher(principal: Annotated[Principal, Depends(task_caller)]) -> Principal:
    return await needs(Scope.PUBLISH)(principal)


async def _reader(principal: Annotated[Principal, Depends(task_caller)]) -> Principal:
    return await needs(Scope.READ)(principal)


TaskPublisher = Annotated[Principal, Depends(_publisher)]
TaskReader = Annotated[Principal, Depends(_reader)]


def mount(app: FastAPI, gateway: Gateway) -> None:
    """Serve the task API, with a description of its own."""
    tasks = FastAPI(title="leadart task API", version=__version__, docs_url=None, redoc_url=None)
    tasks.state.gateway = gateway
    tasks.add_api_route("/generate", generate, methods=["POST"])
    tasks.add_api_route("/tasks/{task_id}/status", status)
    tasks.add_api_route("/tasks/{task_id}/result", result)
    tasks.add_api_route("/health", health)
    problems.install(tasks, _answer)
    tasks.add_exception_handler(RequestValidationError, _invalid)
    app.mount(PATH, tasks)


async def generate(gateway: Opened, principal: TaskPublisher, body: FlatRequest) -> dict[str, Any]:
    """Begin a task, or return one with equal fields that is under way or was completed within the hour."""
    article_id = article_of(principal, body)
    task = latest_task(gateway.board, article_id)
    if task is None or not answers_again(gateway.board, task):
        flat = body.model_dump(exclude_none=True)
        task = (await publish_flat(gateway, principal, flat, article_id, more=repeat_of(task, body))).image
    if task.state == OutcomeKind.READY:
        return {"cached": True, "task_id": task.id, "image_urls": image_urls(task), "message": "Found in the cache."}
    return {
        "task_id": task.id,
        "status": "accepted",
        "message": "The task is accepted: ask for its status.",
        "check_status_url": f"{PATH}/tasks/{task.id}/status",
    }


async def status(gateway: Opened, principal: TaskReader, task_id: str) -> dict[str, Any]:
    """Return how far a task is, and its result once it is completed."""
    task = await _task(gateway, principal, task_id)
    called = _STATUSES.get(task.state, "failed")
    error = {"error": task.outcome.result} if called == "failed" and task.outcome else {}
    return {
        "task_id": task.id,
        "status": called,
        "created_at": datetime.fromtimestamp(task.asked_ms / 1000, UTC).isoformat(),
        "result": _result(task) if called == "completed" else None,
        **error,
    }


async def result(gateway: Opened, principal: TaskReader, task_id: str) -> dict[str, Any]:
    """Return the addresses of a completed task's pictures, relative to this service."""
    task = await _task(gateway, principal, task_id)
    if task.state != OutcomeKind.READY:
        raise HTTPException(400, "The task is not completed.")
    return _result(task)


async def health(gateway: Anyhow) -> JSONResponse:
    """Return whether it follows the bus, and how many articles wait for pictures. The GPUs are the workers'."""
    healthy = gateway.waits_for is None
    body = {
        "status": "healthy" if healthy else "unhealthy",
        "timestamp": datetime.now(UTC).isoformat(),
        "gpu": dict.fromkeys(("gpu_utilization", "memory_used", "memory_total", "temperature")),
        "active_tasks": sum(1 for article in gateway.board.articles() if UNDER_WAY & article.states),
    }
    return JSONResponse(body, 200 if healthy else 503)


async def _task(gateway: Gateway, principal: Principal, task_id: str) -> BoardImage:
    try:
        return await find_image(gateway, principal, task_id)
    except Problem as problem:
        raise HTTPException(problem.status, "There is no such task.") from None


def _result(task: BoardImage) -> dict[str, Any]:
    urls = image_urls(task)
    return {"image_urls": urls, "count": len(urls)}


def _answer(problem: Problem) -> JSONResponse:
    """Return a problem in the form of FastAPI's errors: those about a field as a failed validation."""
    about = [{"type": problem.reason, "loc": ["body", problem.field], "msg": problem.detail}]
    is_invalid = problem.status == 422 and problem.field is not None
    response = problem.response()
    headers = {name: response.headers[name] for name in ("retry-after", "www-authenticate") if name in response.headers}
    return JSONResponse({"detail": about if is_invalid else problem.detail}, problem.status, headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Return FastAPI's own errors, without the values that were sent: not all of them can be written as JSON."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else ()
    return JSONResponse({"detail": [{name: each[name] for name in ("type", "loc", "msg")} for each in wrong]}, 422)
