"""The HTTP application: its endpoints over an open gateway."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from consumer import __version__
from consumer.gateway import openapi, problems
from consumer.gateway.body_limit import BodyLimit
from consumer.gateway.compression import Compression
from consumer.gateway.metrics import GatewayMetrics, RequestCounting
from consumer.gateway.routes import (
    articles,
    desk,
    downloads,
    generated_images,
    health,
    images,
    metrics,
    pictures,
    preferences,
    renditions,
    session,
    streams,
    styles,
    task_api,
    tokens,
)
from consumer.gateway.security_headers import SecurityHeaders, security_headers
from consumer.gateway.services import Gateway
from consumer.gateway.single_headers import SingleHeaders

PARTS = (
    images,
    streams,
    articles,
    pictures,
    downloads,
    generated_images,
    styles,
    preferences,
    renditions,
    session,
    tokens,
    health,
    metrics,
    desk,
)


def make_app(gateway: Gateway) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="leadart gateway",
        version=__version__,
        summary="Pictures for articles over HTTP: ask, follow, choose.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.state.metrics = GatewayMetrics(gateway)
    problems.install(app)
    problems.install_for_http(app)
    for part in PARTS:
        app.include_router(part.routes)
    openapi.install(app)
    task_api.mount(app, gateway)
    desk.mount(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(SingleHeaders)
    app.add_middleware(Compression)
    app.add_middleware(SecurityHeaders, headers=security_headers(gateway.picture_address))
    if gateway.settings.gateway.allowed_origins:
        _allow_origins(app, gateway.settings.gateway.allowed_origins)
    app.add_middleware(RequestCounting, metrics=app.state.metrics)
    return app


def _allow_origins(app: FastAPI, origins: list[str]) -> None:
    """Let pages of these origins call the API with a token; no cookie goes along."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id"],
        expose_headers=["location", "retry-after"],
        max_age=600,
    )
