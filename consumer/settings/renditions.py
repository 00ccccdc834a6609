"""Settings of the files that a site gets of each picture."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field


class FocalPointChoice(StrEnum):
    """Where crops keep a picture's focal point if no editor gave one: where the prompt acted, or its centre."""

    FOUND = "found"
    CENTRE = "centre"


class RenditionSettings(BaseModel):
    """Renditions."""

    file: Path | None = Field(None, description="Your renditions.toml; default: the sets that leadart ships.")
    threads: int = Field(2, ge=1, le=64, description="Threads that make renditions, besides those that encode masters.")
    focal_point: FocalPointChoice = Field(
        FocalPointChoice.FOUND,
        description="Focal point of crops if no editor gave one: `found` where the prompt acted on the picture (the "
        "centre without guidance), or `centre`.",
    )
