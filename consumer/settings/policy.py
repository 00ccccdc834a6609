"""Settings of the site's editorial policy."""

from pathlib import Path

from pydantic import BaseModel, Field


class PolicySettings(BaseModel):
    """Editorial policy."""

    file: Path | None = Field(
        None,
        description="Your policy.toml, or `newsroom` for the one that leadart ships; default: none, everything is "
        "painted as requested.",
    )
