"""Rendition sets: which files a site gets of each picture, from a TOML file that its developers edit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consumer.pictures.rendition_encoding import unwritable
from consumer.renditions import Encoding, RenditionFormat, RenditionSet
from consumer.settings.resources import bundled
from consumer.settings.toml_files import load_toml, misconfigured
from schemas.fields import Slot

MOST_FILES: Final = 64
"""Of one picture: every file is an object in the store and an entry in an event."""

_MOST_WIDTHS = 12
_FLATTEST = 10
_RATIO = re.compile(r"([1-9][0-9]{0,4}):([1-9][0-9]{0,4})")


@dataclass(frozen=True)
class RenditionFile:
    """A site's rendition sets in the order of its file, the slots of those that not every slot gets, and its thumbs."""

    sets: tuple[RenditionSet, ...]
    slots: Mapping[str, tuple[str, ...]]
    thumb: str | None

    def full(self, slot: str) -> tuple[RenditionSet, ...]:
        """Return all sets for the slot."""
        return tuple(each for each in self.sets if slot in self.slots.get(each.name, (slot,)))

    def thumbs(self, slot: str) -> tuple[RenditionSet, ...]:
        """Return the set that every picture of the slot gets, also one of several to choose from; none without one."""
        return tuple(each for each in self.full(slot) if each.name == self.thumb)

    @cached_property
    def version(self) -> str:
        """SHA-256 (hex) over the canonical JSON of everything in the file."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def load_renditions(path: Path | None = None) -> RenditionFile:
    """Read the site's file, or the bundled one.

    Raises `Fatal` whose message has, for every mistake, the file, the line, the key and what to do.
    """
    file = path or bundled("renditions.toml")
    entry = load_toml(file, "LEADART_RENDITIONS__FILE", TypeAdapter(_FileEntry), _advice)
    lacking = unwritable({RenditionFormat(kind): None for each in entry.sets.values() for kind in each.formats})
    if lacking:
        advice = f"install one built with {', '.join(lacking)}, or take the formats out"
        raise misconfigured(f"{file}: asks for what the installed Pillow cannot write: {advice}")
    slots = {name: tuple(each.slots) for name, each in entry.sets.items() if each.slots is not None}
    return RenditionFile(tuple(each.rendition_set(name) for name, each in entry.sets.items()), slots, entry.thumbs)


def _wrong(advice: str) -> PydanticCustomError:
    # Not as a template: braces in what a person wrote are no placeholders.
    return PydanticCustomError("advice", "{advice}", {"advice": advice})


def _possible(ratio: str) -> str:
    match = _RATIO.fullmatch(ratio)
    if match is None or not int(match[1]) <= _FLATTEST * int(match[2]) <= _FLATTEST**2 * int(match[1]):
        raise _wrong(f'must be width:height, such as "16:9", from 1:{_FLATTEST} to {_FLATTEST}:1, but is {ratio!r}')
    return ratio


def _different(widths: list[int]) -> list[int]:
    if len(set(widths)) < len(widths):
        raise _wrong("names a width twice: give each once")
    return sorted(widths)


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
_Quality = Annotated[int, Field(ge=1, le=100)]
_Width = Annotated[int, Field(ge=16, le=4096)]
_Format = Literal["avif", "webp", "jpeg"]


class _QualityEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    quality: _Quality
    lowest_quality: _Quality | None = None

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.lowest_quality is not None and self.lowest_quality > self.quality:
            raise _wrong(
                f"has a lowest_quality of {self.lowest_quality} above its quality of {self.quality}: swap them"
            )
        return self


class _SetEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    ratio: Annotated[str, AfterValidator(_possible)] | None = None
    widths: Annotated[list[_Width], Field(min_length=1, max_length=_MOST_WIDTHS), AfterValidator(_different)]
    formats: dict[_Format, _QualityEntry] = Field(min_length=1)
    largest_bytes: int | None = Field(default=None, ge=1000)
    slots: list[Slot] | None = Field(default=None, min_length=1)

    @property
    def files(self) -> int:
        """How many files it is of a picture that is large enough."""
        return len(self.widths) * len(self.formats)

    def is_for(self, slot: str | None) -> bool:
        """Return whether the slot gets it; None stands for a slot that no set names."""
        return self.slots is None or slot in self.slots

    def rendition_set(self, name: str) -> RenditionSet:
        """Return the set that it describes."""
        encodings = tuple(
            Encoding(RenditionFormat(kind), each.quality, each.lowest_quality or each.quality)
            for kind, each in self.formats.items()
        )
        width, height = (int(side) for side in (self.ratio or "0:0").split(":"))
        return RenditionSet(
            name, (width, height) if self.ratio else None, tuple(self.widths), encodings, self.largest_bytes
        )


def _few(sets: dict[str, _SetEntry]) -> dict[str, _SetEntry]:
    slots = {slot for each in sets.values() for slot in each.slots or ()}
    files = max(sum(each.files for each in sets.values() if each.is_for(slot)) for slot in (None, *slots))
    if files > MOST_FILES:
        raise _wrong(f"ask for {files} files of a picture, and {MOST_FILES} are the most: remove widths or formats")
    return sets


def _for_every_slot(thumbs: str | None, info: ValidationInfo) -> str | None:
    sets: dict[str, _SetEntry] | None = info.data.get("sets")  # None: it has mistakes of its own
    if thumbs is None or sets is None:
        return thumbs
    if thumbs not in sets:
        raise _wrong(f"names no set: use one of {', '.join(sets) or 'those that you add'}")
    if sets[thumbs].slots is not None:
        raise _wrong(f"names a set that not every slot gets: remove `slots` from [sets.{thumbs}]")
    return thumbs


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sets: Annotated[dict[_Name, _SetEntry], AfterValidator(_few)]
    thumbs: Annotated[str | None, AfterValidator(_for_every_slot)] = None


_KEYS: Final[Mapping[int, tuple[str, type[BaseModel]]]] = {
    1: ("the file", _FileEntry),
    3: ("a set", _SetEntry),
    5: ("a format", _QualityEntry),
}
"""What has keys, by the depth of a key in it."""

_ADVICE: Final = {
    "literal_error": f"is not a format: use one of {', '.join(RenditionFormat)}",
    "too_short": "is empty: name at least one",
    "too_long": f"has more than {_MOST_WIDTHS} widths: remove some",
}


def _advice(error: ErrorDetails, path: Sequence[str]) -> str | None:
    match error["type"]:
        case "extra_forbidden":
            kind, model = _KEYS[len(path)]
            return f"is not a key of {kind}: remove it, or use one of {', '.join(model.model_fields)}"
        case "dict_type" | "model_type" | "model_attributes_type" if path[2:3] == ["formats"]:
            example = "{ quality = 75 }"
            return f"is not a table: write {example if len(path) > 3 else f'{{ webp = {example} }}'}"
        case kind:
            return _ADVICE.get(kind)
