"""The desk: static files, whose names change with nothing, so that a browser asks for each again."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

routes = APIRouter()

STATIC = Path(__file__).resolve().parents[1] / "static"


@routes.get("/", include_in_schema=False)
async def root() -> RedirectResponse:
    """Redirect to the desk."""
    return RedirectResponse("/desk/", 307)


def mount(app: FastAPI) -> None:
    """Serve the desk's files."""
    app.mount("/desk", StaticFiles(directory=STATIC / "desk", html=True), name="desk")
