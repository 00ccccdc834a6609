"""Whether an announcement has the shape that the board counts on: another program's, on the same topic, may not."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind

_Whole = Annotated[int, Field(strict=True)]
_Text = Annotated[str, Field(strict=True)]


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sha256: _Text
    key: _Text


class _RenditionFile(_File):
    name: _Text
    media_type: _Text


class _PictureFile(_File):
    renditions: tuple[_RenditionFile, ...] | None = None


class _Article(BaseModel):
    revision: _Whole | None = None


class _Announced(BaseModel):
    article: _Article
    slot: _Text | None = None
    ordinal: _Whole = 0
    index: _Whole | None = None
    step: _Whole | None = None
    of: _Whole | None = None


class _RevisedArticle(_Article):
    revision: _Whole


class _Ready(_Announced):
    article: _RevisedArticle
    pictures: tuple[_PictureFile, ...] = ()


class _Declined(_Announced):
    rule: _Text


_SHAPES: dict[str, type[_Announced]] = {OutcomeKind.READY: _Ready, OutcomeKind.DECLINED: _Declined}


def is_sound(announced: AnnouncedEvent) -> bool:
    """Return whether an outcome or a progress event has what is looked at, each in its type."""
    try:
        _SHAPES.get(announced.kind, _Announced).model_validate(announced.data)
    except ValidationError:
        return False
    return True
