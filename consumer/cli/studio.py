"""`leadart styles` and `leadart generate`."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from consumer.cli.shared import AsJson, EnvFile, lay_out, say, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.processing.styles import StylePreset

Sheet = Annotated[
    Path | None, typer.Option(help="Paint the prompt in every style onto one contact sheet (PNG).", dir_okay=False)
]
Out = Annotated[Path, typer.Option("--out", "--output", "-o", help="PNG file to write.", dir_okay=False)]
Preset = Annotated[str | None, typer.Option(help="Style preset; see `leadart styles`.")]
Model = Annotated[
    Path | None,
    typer.Option(help="Folder of a Z-Image pipeline; default: LEADART_ENGINE__MODEL, else the demo model."),
]
Adapter = Annotated[Path | None, typer.Option(help="LoRA file to apply.", exists=True, dir_okay=False)]
Size = Annotated[str | None, typer.Option(help="Size in pixels, such as 256x256; replaces --width and --height.")]
Pixels = Annotated[int | None, typer.Option(help="Pixels.")]
Aspect = Annotated[str | None, typer.Option(help="Width to height, such as 16:9; with --width or --height, or alone.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
Guidance = Annotated[float | None, typer.Option("--guidance", "--guidance-scale", help="Guidance scale.")]
Seed = Annotated[int | None, typer.Option(help="Random seed.")]


def styles(
    env_file: EnvFile = None,
    sheet: Sheet = None,
    prompt: Annotated[str | None, typer.Argument(help="Prompt of the contact sheet.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the contact sheet.")] = 1,
    as_json: AsJson = False,
) -> None:
    """List the style presets, or paint a contact sheet of them."""
    from consumer.admin.studio import paint_sheet
    from consumer.processing.styles import load_styles

    settings = settings_from(env_file)
    presets = load_styles(settings.styles.file)
    if sheet is None:
        if prompt:
            sentence = "a prompt is for --sheet FILE; for one picture use `leadart generate`"
            raise typer.BadParameter(sentence, param_hint="PROMPT")
        _list(presets.presets.values(), as_json=as_json)
        return
    if not prompt:
        raise typer.BadParameter("--sheet needs a prompt", param_hint="PROMPT")
    asyncio.run(paint_sheet(settings, presets, prompt, seed, sheet))
    say(f"wrote {sheet}")


def _list(presets: Iterable[StylePreset], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_facts(style) for style in presets]))
        return
    table = Table("preset", "version", "steps", "guidance", "adapters", "title")
    for style in presets:
        overrides = (_or_default(style.steps), _or_default(style.guidance_scale))
        adapters = ", ".join(f"{adapter.name} {adapter.scale:g}" for adapter in style.adapters) or "none"
        table.add_row(style.name, str(style.version), *overrides, adapters, style.title)
    lay_out(table)


def _facts(style: StylePreset) -> dict[str, Any]:
    names = ("title", "description", "version", "photorealistic", "steps", "guidance_scale", "width", "height")
    adapters = [{"name": adapter.name, "scale": adapter.scale} for adapter in style.adapters]
    return {"preset": style.name, **{name: getattr(style, name) for name in names}, "adapters": adapters}


def generate(
    prompt: Annotated[str, typer.Argument(help="Prompt.")],
    output: Out = Path("picture.png"),
    env_file: EnvFile = None,
    style: Preset = None,
    model: Model = None,
    adapter: Adapter = None,
    size: Size = None,
    width: Pixels = None,
    height: Pixels = None,
    aspect: Aspect = None,
    steps: Steps = None,
    guidance_scale: Guidance = None,
    seed: Seed = None,
) -> None:
    """Paint one picture without Kafka or a store, with the worker's own prompting and engine."""
    from consumer.admin.studio import GenerateOptions, paint_one

    if size is not None:
        if width is not None or height is not None:
            raise typer.BadParameter("give either --size or --width and --height", param_hint="--size")
        width, height = _sides(size)
    settings = settings_from(env_file)
    if model is not None:
        settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"model": model})})
    options = GenerateOptions(prompt, style, width, height, aspect, steps, guidance_scale, seed, adapter)
    recipe = asyncio.run(paint_one(settings, options, output))
    width, height = recipe.size
    say(f"wrote {output} (style {recipe.style}, {width}x{height}, seed {recipe.seed})")


def _sides(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None:
        sentence = f"{size} is not a size: write width, x and height, such as 256x256"
        raise typer.BadParameter(sentence, param_hint="--size")
    return int(match[1]), int(match[2])


def _or_default(value: object | None) -> str:
    return "default" if value is None else str(value)
