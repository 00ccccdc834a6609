"""Style presets: how a site's pictures look, from a TOML file that designers edit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from consumer.errors import Rejected
from consumer.settings import EngineKind
from consumer.settings.resources import bundled
from consumer.settings.toml_files import load_toml, misconfigured
from schemas import Reason, defaults
from schemas.fields import GuidanceScale, Scale, Side, Steps
from schemas.sizes import SIZE_BOUNDS, fits

DEFAULT = "default"
"""The preset for requests that name none; every file has it."""

MAX_ADAPTERS = 4
"""Most LoRAs in one preset."""

_SUBJECT = "{subject}"


@dataclass(frozen=True, slots=True)
class WantedAdapter:
    """A LoRA that a preset asks for: its file's name without suffix, and its strength."""

    name: str
    scale: float


@dataclass(frozen=True, slots=True)
class StylePreset:
    """One preset. `steps`, `guidance_scale`, `width`, `height` are None where the engine's defaults hold.

    `titles` are those in other languages, by language code. `negative` is appended to the default negative prompt.
    `photorealistic` is true when its pictures may be taken for photographs.
    """

    name: str
    title: str
    description: str
    version: int
    photorealistic: bool
    template: str
    translations: Mapping[str, str]
    negative: str
    steps: int | None
    guidance_scale: float | None
    width: int | None
    height: int | None
    adapters: tuple[WantedAdapter, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, of requests that ask for no size."""
        return self.width or defaults.WIDTH, self.height or defaults.HEIGHT

    def prompt(self, subject: str, language: str) -> str:
        """Put the subject, which has no full stop, into the template of that language, or into the main one."""
        return self.translations.get(language, self.template).replace(_SUBJECT, subject)

    def subject_in(self, prompt: str) -> str | None:
        """Return what `prompt` filled a template with; None if today's templates of the style make no such prompt."""
        for template in sorted((self.template, *self.translations.values()), key=len, reverse=True):
            before, after = template.split(_SUBJECT)
            if len(prompt) >= len(before + after) and prompt.startswith(before) and prompt.endswith(after):
                return prompt[len(before) : len(prompt) - len(after)]
        return None


@dataclass(frozen=True, slots=True)
class Styles:
    """All presets by name, in the order of their file."""

    presets: Mapping[str, StylePreset]

    def get(self, name: str | None) -> StylePreset:
        """Return the preset, the default one for None. Raises `Rejected` for an unknown name."""
        try:
            return self.presets[DEFAULT if name is None else name]
        except KeyError:
            known = ", ".join(self.presets)
            message = f"There is no style preset {name!r}: use one of {known}."
            raise Rejected(Reason.UNKNOWN_STYLE, message, field="style.preset") from None


def load_styles(path: Path | None = None) -> Styles:
    """Read the site's file, or the bundled one.

    Raises `Fatal` whose message has, for every mistake, the file, the line, the key and what to do.
    """
    entries = load_toml(path or bundled("styles.toml"), "LEADART_STYLES__FILE", _ENTRIES, _advice)
    return Styles({name: _style(name, entry) for name, entry in entries.items()})


def require_adapters(styles: Iterable[StylePreset], kind: EngineKind, loaded: Collection[str]) -> None:
    """Check that the engine has every adapter the styles name. Raises `Fatal` with a line for each it lacks.

    The swatch engine needs none: it paints without adapters.
    """
    if kind is EngineKind.SWATCH:
        return
    there = f"has {', '.join(loaded)}" if loaded else "has none"
    lacking = [
        f"The style {style.name!r} names the adapter {adapter.name!r}, but the engine {there}: put "
        f"{adapter.name}.safetensors into the folder that LEADART_ENGINE__ADAPTERS names, or take it out of the style."
        for style in styles
        for adapter in style.adapters
        if adapter.name not in loaded
    ]
    if lacking:
        raise misconfigured("\n".join(lacking))


def _one_subject(template: str) -> str:
    if template.count(_SUBJECT) != 1 or set("{}") & set(template.replace(_SUBJECT, "")):
        raise PydanticCustomError("advice", "must have {subject} exactly once and no other braces")
    return template


def _has_default(entries: dict[str, _Entry]) -> dict[str, _Entry]:
    if DEFAULT not in entries:
        raise PydanticCustomError("advice", "must have a [default] table, for requests that name no preset")
    return entries


def _few_and_different(adapters: list[_AdapterEntry]) -> list[_AdapterEntry]:
    if len(adapters) > MAX_ADAPTERS:
        raise PydanticCustomError("advice", f"names more than {MAX_ADAPTERS} adapters: they would drown each other")
    if len({adapter.name for adapter in adapters}) < len(adapters):
        raise PydanticCustomError("advice", "names an adapter twice: give it once, with one scale")
    return adapters


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
_Template = Annotated[_Text, AfterValidator(_one_subject)]


_AdapterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class _AdapterEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: _AdapterName
    scale: Scale = 1.0


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: _Text
    titles: dict[_Language, _Title] = Field(default_factory=dict)
    description: _Text
    version: int = Field(ge=1)
    photorealistic: bool
    template: _Template
    translations: dict[_Language, _Template] = Field(default_factory=dict)
    negative: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    steps: Steps | None = None
    guidance_scale: GuidanceScale | None = None
    width: Side | None = None
    height: Side | None = None
    adapters: Annotated[list[_AdapterEntry], AfterValidator(_few_and_different)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits_the_engine(self) -> Self:
        width, height = self.width or defaults.WIDTH, self.height or defaults.HEIGHT
        if not fits(width, height):
            raise PydanticCustomError("advice", f"is too large at {width}x{height}: {SIZE_BOUNDS}")
        return self


_ENTRIES = TypeAdapter(Annotated[dict[_Name, _Entry], AfterValidator(_has_default)])


def _style(name: str, entry: _Entry) -> StylePreset:
    adapters = tuple(WantedAdapter(adapter.name, adapter.scale) for adapter in entry.adapters)
    return StylePreset(name=name, adapters=adapters, **entry.model_dump(exclude={"adapters"}))


def _advice(error: ErrorDetails, path: Sequence[str]) -> str | None:
    of_adapter = path[1:2] == ["adapters"]
    match error["type"]:
        case "extra_forbidden":
            kind, model = ("an adapter", _AdapterEntry) if of_adapter else ("a style", _Entry)
            return f"is not a key of {kind}: remove it, or use one of {', '.join(model.model_fields)}"
        case "model_type" | "model_attributes_type" if of_adapter:
            return 'is not a table: write { name = "its-file", scale = 1.0 }'
        case "size":
            return error["msg"]
    return None
