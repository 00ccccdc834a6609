"""Pictures without a bus, for designers: the worker's own prompting, styles and engine, written to a file."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from consumer.engine import open_engine
from consumer.errors import Fatal, Rejected
from consumer.jobs import Lane, Picture, Recipe
from consumer.pictures.contact_sheet import contact_sheet
from consumer.pictures.master import write_png
from consumer.pictures.trim import trim
from consumer.ports import Engine
from consumer.processing.prompting import make_plan
from consumer.processing.styles import MAX_ADAPTERS, StylePreset, Styles, WantedAdapter, load_styles, require_adapters
from consumer.settings import EngineKind, EngineSettings, Settings
from consumer.settings.resources import demo_model, is_demo_model
from schemas import ImageRequested, Reason
from schemas.reader import explain

SHEET_COLUMNS = 3

_DEMO_SIDE = 256
"""Pixels per side at which the bundled model paints best."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What is asked for on the command line; None leaves it to the style, then to the engine's default."""

    prompt: str
    style: str | None = None
    width: int | None = None
    height: int | None = None
    aspect: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    adapter: Path | None = None
    """A LoRA file, at full strength in addition to those of the style."""

    def request(self) -> ImageRequested:
        """Return the request that a CMS would have sent. Raises `Rejected` for values out of bounds."""
        fields = {
            "article": {"id": "studio", "revision": 0},
            "brief": {"prompt": self.prompt},
            "style": {"preset": self.style},
            "output": {"width": self.width, "height": self.height, "aspect": self.aspect},
            "generation": {"steps": self.steps, "guidance_scale": self.guidance_scale, "seed": self.seed},
        }
        try:
            return ImageRequested.model_validate(fields)
        except ValidationError as error:
            reason = explain(error)
            raise Rejected(reason.reason, reason.message, field=reason.field) from None


async def paint_one(settings: Settings, options: GenerateOptions, output: Path) -> Recipe:
    """Paint one picture into a PNG file and return its recipe. Raises `Rejected` or `Fatal`.

    The model is that of the settings, else the bundled one at its own size.
    """
    styles = load_styles(settings.styles.file)
    request = options.request()
    style = styles.get(request.style.preset)  # an unknown style is refused before the model is loaded
    engine_settings = with_model(settings.engine)
    style = _at_own_size(style, engine_settings)
    if options.adapter is not None:
        engine_settings, style = _with_adapter(engine_settings, style, options.adapter)
    styles = Styles({**styles.presets, style.name: style})
    async with open_engine(engine_settings) as engine:
        require_adapters([style], settings.engine.kind, engine.paintable.adapters)
        (recipe,) = make_plan(request, styles, engine.paintable).recipes
        picture = await _paint(engine, recipe)
    await asyncio.to_thread(write_png, output, picture, settings.disclosure.producer)
    return recipe


def with_model(engine: EngineSettings) -> EngineSettings:
    """Return the settings with a model: the bundled one if they name none. Raises `Fatal` if it is missing."""
    if engine.kind is EngineKind.SWATCH or engine.model is not None:
        return engine
    return engine.model_copy(update={"model": demo_model()})


def _at_own_size(style: StylePreset, engine: EngineSettings) -> StylePreset:
    """Return the style at the bundled model's own size, if that paints and the style sets none."""
    if engine.kind is EngineKind.SWATCH or engine.model is None or not is_demo_model(engine.model):
        return style
    return replace(style, width=style.width or _DEMO_SIDE, height=style.height or _DEMO_SIDE)


def _with_adapter(engine: EngineSettings, style: StylePreset, file: Path) -> tuple[EngineSettings, StylePreset]:
    """Make the engine load the LoRA, or its folder if the style names others, and the style use it. Raises `Fatal`."""
    if engine.kind is EngineKind.SWATCH:
        raise Fatal(Reason.MISCONFIGURED, "The swatch engine paints without adapters: leave --adapter out.")
    named = [one for one in style.adapters if one.name != file.stem]
    if len(named) >= MAX_ADAPTERS:
        raise Fatal(Reason.MISCONFIGURED, f"The style {style.name!r} already has {MAX_ADAPTERS} adapters, the maximum.")
    wanted = (*named, WantedAdapter(file.stem, 1.0))
    return engine.model_copy(update={"adapters": file.parent if named else file}), replace(style, adapters=wanted)


async def paint_sheet(settings: Settings, styles: Styles, prompt: str, seed: int, output: Path) -> None:
    """Paint the prompt in every style, one seed for all, onto a contact sheet (PNG). Raises as `paint_one` does."""
    requests = {name: GenerateOptions(prompt, style=name, seed=seed).request() for name in styles.presets}
    engine_settings = with_model(settings.engine)
    styles = Styles({name: _at_own_size(style, engine_settings) for name, style in styles.presets.items()})
    async with open_engine(engine_settings) as engine:
        require_adapters(styles.presets.values(), settings.engine.kind, engine.paintable.adapters)
        async with asyncio.TaskGroup() as tasks:
            plans = {name: make_plan(request, styles, engine.paintable) for name, request in requests.items()}
            painting = {name: tasks.create_task(_paint(engine, plan.recipes[0])) for name, plan in plans.items()}
        pictures = [(name, task.result()) for name, task in painting.items()]
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(pictures, SHEET_COLUMNS, settings.disclosure.producer)
    await asyncio.to_thread(output.write_bytes, sheet)


async def _paint(engine: Engine, recipe: Recipe) -> Picture:
    return trim(await engine.paint(recipe, Lane.INTERACTIVE, lambda _done, _of: None))
