"""The site's rendition sets: the shapes that its pages need of each picture."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from consumer.gateway.access.callers import Reader
from consumer.gateway.routes.images import Opened

routes = APIRouter(prefix="/v1/renditions", tags=["renditions"])


@routes.get("")
async def renditions(
    gateway: Opened,
    principal: Reader,
    slot: Annotated[str, Query(max_length=40, description="The slot whose sets are wanted.")] = "hero",
) -> dict[str, Any]:
    """Return the slot's sets in the order of the site's file; a `ratio` of null is the picture's own."""
    del principal
    return {
        "sets": [
            {
                "name": each.name,
                "ratio": list(each.ratio) if each.ratio else None,
                "widths": list(each.widths),
                "formats": [encoding.format.value for encoding in each.encodings],
            }
            for each in gateway.renditions.full(slot)
        ],
        "thumb": gateway.renditions.thumb,
    }
