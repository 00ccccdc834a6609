"""The desk, the panel and the API's page: static files, asked for again each time, since their names never change."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

routes = APIRouter()

STATIC = Path(__file__).resolve().parents[1] / "static"


@routes.head("/", include_in_schema=False)
@routes.get("/", include_in_schema=False)
async def root() -> RedirectResponse:
    """Redirect to the desk."""
    return RedirectResponse("/desk/", 307)


class PublicFiles(StaticFiles):
    """Files without secrets, which pages of any origin may load: the panel's modules are imported from a CMS's page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, to be asked for again each time."""
        response = await super().get_response(path, scope)
        response.headers["access-control-allow-origin"] = "*"
        response.headers["cross-origin-resource-policy"] = "cross-origin"
        response.headers["cache-control"] = "no-cache"
        return response


def mount(app: FastAPI) -> None:
    """Serve the files."""
    for part in ("desk", "docs", "panel"):
        app.mount(f"/{part}", PublicFiles(directory=STATIC / part, html=True), name=part)
