"""What an editor took last, to begin with next time."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from consumer.gateway.access.callers import Reader
from consumer.gateway.preferences import SECTION_CHARACTERS
from consumer.gateway.routes.bodies import body_as
from consumer.gateway.routes.images import Opened

routes = APIRouter(prefix="/v1/preferences", tags=["preferences"])


class SectionPreferences(BaseModel):
    """What to remember for a section."""

    model_config = ConfigDict(extra="forbid")

    section: Annotated[str, Field(max_length=SECTION_CHARACTERS, description="The article's section.")] = ""
    values: Annotated[
        dict[str, Any], Field(description="Style, number of pictures and so on, as the page names them; empty: forget.")
    ]


@routes.get("")
async def preferences(gateway: Opened, principal: Reader) -> dict[str, Any]:
    """Return what the caller took last, by section, and in any (`last`)."""
    return gateway.preferences.of(principal)


@routes.put("")
async def remember(
    gateway: Opened, principal: Reader, body: Annotated[SectionPreferences, Depends(body_as(SectionPreferences))]
) -> dict[str, Any]:
    """Remember the caller's values for a section in place of the earlier ones. They are the caller's alone."""
    await gateway.preferences.put(principal, body.section, body.values)
    return gateway.preferences.of(principal)
