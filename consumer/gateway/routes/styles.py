"""The site's style presets, for people to pick from."""

from typing import Any

from fastapi import APIRouter

from consumer.gateway.access.callers import Reader
from consumer.gateway.routes.images import Opened

routes = APIRouter(prefix="/v1/styles", tags=["styles"])


@routes.get("")
async def styles(gateway: Opened, principal: Reader) -> dict[str, Any]:
    """Return the presets in the order of the site's file, each with its title by language."""
    del principal
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
            }
            for style in gateway.styles.presets.values()
        ]
    }
