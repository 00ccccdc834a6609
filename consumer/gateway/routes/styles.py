"""The site's style presets, for people to pick from."""

from itertools import islice
from typing import Any

from fastapi import APIRouter

from consumer.gateway.access.callers import Reader
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.pictures import ORIGINAL, Files
from consumer.gateway.routes.images import Opened
from consumer.gateway.services import Gateway
from schemas import OutcomeKind

routes = APIRouter(prefix="/v1/styles", tags=["styles"])

LOOKED_AT = 500
"""Articles in which samples are looked for, those that changed last."""


@routes.get("")
async def styles(gateway: Opened, principal: Reader) -> dict[str, Any]:
    """Return the presets in the order of the site's file, each with its title by language.

    A sample is the newest picture of the caller's articles in that style; until there is one, null.
    """
    samples = _samples(gateway, principal)
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
    return {
        data["style"][
            "preset"
        ]: f"/v1/pictures/{data['pictures'][0]['sha256']}/{_small(files, gateway.renditions.thumb)}"
        for data in ready
        if (files := gateway.board.picture(data["pictures"][0]["sha256"]))
    }


def _small(files: Files, thumb: str | None) -> str:
    """Return the name of the picture's thumb, else of the picture itself."""
    return next((name for name in files if thumb and name.startswith(f"{thumb}-")), ORIGINAL)
