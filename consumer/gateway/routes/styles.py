"""The site's style presets, for people to pick from."""

from itertools import islice
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from consumer.gateway.access.callers import Reader
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.pictures import ORIGINAL, Files
from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened
from consumer.gateway.services import Gateway
from consumer.jobs import FILE_SUFFIXES
from schemas import OutcomeKind

routes = APIRouter(prefix="/v1/styles", tags=["styles"])

LOOKED_AT = 500
"""Articles in which samples are looked for, those that changed last."""
CACHED = "public, max-age=3600"


@routes.get("")
async def styles(gateway: Opened, principal: Reader) -> dict[str, Any]:
    """Return the presets in the order of the site's file, each with its title by language.

    A sample is the site's own, else the newest picture of the caller's articles in that style, else null.
    """
    samples = {**_samples(gateway, principal), **{name: f"{routes.prefix}/{name}/sample" for name in _own(gateway)}}
    return {
        "styles": [
            {
                "name": style.name,
                "title": style.title,
                "titles": dict(style.titles),
                "description": style.description,
                "version": style.version,
                "photorealistic": style.photorealistic,
                "width": style.size[0],
                "height": style.size[1],
                "sample": samples.get(style.name),
            }
            for style in gateway.styles.presets.values()
        ]
    }


@routes.head("/{name}/sample", include_in_schema=False)
@routes.get("/{name}/sample", response_class=FileResponse)
def style_sample(gateway: Opened, name: str) -> FileResponse:
    """Return the site's own sample picture of a style. It needs no key: it is no article's."""
    file = _own(gateway).get(name)
    if file is None:
        raise Problem(404, "not_found", "The site has no sample of that style.")
    return FileResponse(file, headers={"cache-control": CACHED, "cross-origin-resource-policy": "cross-origin"})


def _own(gateway: Gateway) -> dict[str, Path]:
    """Return the site's own samples by the style's name: of several formats, the first of `FILE_SUFFIXES` counts."""
    folder = gateway.settings.gateway.style_samples
    files = (
        [folder / f"{name}.{end}" for name in gateway.styles.presets for end in FILE_SUFFIXES.values()]
        if folder
        else []
    )
    return {file.stem: file for file in reversed(files) if file.is_file()}


def _samples(gateway: Gateway, principal: Principal) -> dict[str, str]:
    found: dict[str, str] = {}
    for article in islice(gateway.board.articles(), LOOKED_AT):
        if principal.sees(article):
            found = {**_painted(gateway, article), **found}
        if len(found) >= len(gateway.styles.presets):
            break
    return found


def _painted(gateway: Gateway, article: BoardArticle) -> dict[str, str]:
    """Return the address of the article's newest picture in each style that has not been withdrawn."""
    outcomes = (image.outcome for image in article.images.values())
    ready = (outcome.data for outcome in outcomes if outcome is not None and outcome.kind == OutcomeKind.READY)
    first = ((data["style"]["preset"], data["pictures"][0]["sha256"]) for data in ready)
    thumb = gateway.renditions.thumb
    return {
        preset: f"/v1/pictures/{sha256}/{_small(files, thumb)}"
        for preset, sha256 in first
        if (files := gateway.board.picture(sha256))
    }


def _small(files: Files, thumb: str | None) -> str:
    """Return the name of the picture's thumb, else of the picture itself."""
    return next((name for name in files if thumb and name.startswith(f"{thumb}-")), ORIGINAL)
