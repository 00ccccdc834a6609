"""What is assumed of a newsroom: how stories are written, corrected and illustrated. Read from a TOML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import ErrorDetails

from consumer.settings.toml_files import load_toml
from schemas.fields import Variants

SHIPPED: Final = Path(__file__).with_name("newsroom.toml")

_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[float, Field(ge=0, le=100)]


class _Assumptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Writing(_Assumptions):
    """How a story is written, from its first save to the last one before it is published."""

    minutes: Annotated[float, Field(gt=0, le=600)]
    autosave_seconds: Annotated[float, Field(ge=1, le=600)]
    typing_share: _Share
    words_a_minute: Annotated[float, Field(gt=0, le=300)]
    headlines: _Count
    standfirst_share: _Share


class Corrections(_Assumptions):
    """Saves after publication."""

    count: _Count
    hours: Annotated[float, Field(gt=0, le=24)]
    headline_share: _Share
    again_share: _Share
    again_seconds: Annotated[float, Field(gt=0, le=3600)]


class EditorsRequests(_Assumptions):
    """Requests that somebody waits for, and what is chosen of them."""

    asking_share: _Share
    after_minutes: Annotated[float, Field(gt=0, le=600)]
    pictures: Variants
    choosing_share: _Share
    deciding_seconds: Annotated[float, Field(gt=0, le=3600)]


class NewsroomSection(_Assumptions):
    """A section, its share of stories relative to the others', and what headlines there are like."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    share: Annotated[float, Field(gt=0, le=1e6)]
    headlines: Annotated[list[Annotated[str, Field(pattern=r"\w", max_length=200)]], Field(min_length=1)]


class Newsroom(_Assumptions):
    """A newsroom's day. `newsroom.toml` beside this module explains every number."""

    stories: Annotated[int, Field(ge=1, le=100_000)]
    peak: Annotated[float, Field(ge=1, le=20)]
    busiest_hour: Annotated[int, Field(ge=0, le=23)]
    published_share: _Share
    writing: Writing
    corrections: Corrections
    editors: EditorsRequests
    sections: Annotated[list[NewsroomSection], Field(min_length=1)]


def load_newsroom(path: Path | None = None) -> Newsroom:
    """Read a newsroom's file, or the shipped one. Raises `Fatal` with the line of every mistake."""
    return load_toml(path or SHIPPED, "--newsroom", TypeAdapter(Newsroom), _advise)


def _advise(error: ErrorDetails, _path: Sequence[str]) -> str | None:
    return "is not known here: remove it, or look at its spelling" if error["type"] == "extra_forbidden" else None
