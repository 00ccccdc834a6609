"""The HTTP application: its endpoints over an open gateway."""

from fastapi import FastAPI

from consumer import __version__
from consumer.gateway import problems
from consumer.gateway.routes import (
    articles,
    desk,
    health,
    images,
    pictures,
    renditions,
    session,
    streams,
    styles,
    tokens,
)
from consumer.gateway.services import Gateway

PARTS = (
    images,
    streams,
    articles,
    pictures,
    styles,
    renditions,
    session,
    tokens,
    health,
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
    problems.install(app)
    for part in PARTS:
        app.include_router(part.routes)
    desk.mount(app)
    return app
