"""Is it up, and does it follow the bus?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from consumer.gateway.problems import Problem
from consumer.gateway.services import Gateway, gateway_of

routes = APIRouter(tags=["health"])

Anyhow = Annotated[Gateway, Depends(gateway_of)]
"""The gateway, also while it is starting."""


@routes.head("/healthz", include_in_schema=False)
@routes.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Answer while the process is alive."""
    return {"status": "ok"}


@routes.head("/readyz", include_in_schema=False)
@routes.get("/readyz")
async def readyz(gateway: Anyhow) -> dict[str, Any]:
    """Answer 200 once everything up to the start was read, and while Kafka answers; else 503 with what is missing."""
    if gateway.waits_for is not None:
        raise Problem(503, "bus_unavailable", gateway.waits_for)
    return {"status": "ready", "listeners": gateway.broadcast.listeners}
