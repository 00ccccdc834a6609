"""Figures for Prometheus, which sends a key with the scope `admin` as its bearer token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from consumer.gateway.access.callers import needs
from consumer.gateway.access.principal import Principal, Scope
from consumer.gateway.metrics import GatewayMetrics

routes = APIRouter()

Operator = Annotated[Principal, Depends(needs(Scope.ADMIN))]


@routes.get("/metrics", include_in_schema=False)
async def metrics(request: Request, principal: Operator) -> Response:
    """Return the figures."""
    del principal
    made: GatewayMetrics = request.app.state.metrics
    return Response(made.page(), media_type=CONTENT_TYPE_LATEST)
