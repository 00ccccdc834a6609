"""Is it up, and does it follow the bus?"""

from typing import Any

from fastapi import APIRouter

from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened

routes = APIRouter(tags=["health"])


@routes.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Answer while the process is alive."""
    return {"status": "ok"}


@routes.get("/readyz")
async def readyz(gateway: Opened) -> dict[str, Any]:
    """Answer 200 once everything up to the start was read, and while Kafka answers; else 503."""
    if not gateway.feed.ready.is_set():
        raise Problem(503, "bus_unavailable", "The topics are not read up to now: Kafka does not answer, or not yet.")
    return {"status": "ready", "listeners": gateway.broadcast.listeners}
