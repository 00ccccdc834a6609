"""`leadart styles` and `leadart generate`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from consumer.cli.shared import EnvFile, console, lay_out, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.processing.styles import Style


def styles(
    env_file: EnvFile = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Paint the prompt in every style onto one contact sheet (PNG).", dir_okay=False)
    ] = None,
    prompt: Annotated[str | None, typer.Argument(help="What to paint on the sheet.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """List the style presets, or paint a contact sheet of them."""
    from consumer.processing.styles import load_styles

    settings = settings_from(env_file)
    presets = load_styles(settings.styles.file)
    if sheet is None:
        if prompt:
            raise typer.BadParameter(
                "a prompt is for --sheet FILE; one picture is `leadart generate`", param_hint="PROMPT"
            )
        lay_out(_table(presets.presets.values()))
        return
    if not prompt:
        raise typer.BadParameter("say what to paint on the sheet", param_hint="PROMPT")
    from consumer.admin.studio import paint_sheet

    asyncio.run(paint_sheet(settings, presets, prompt, seed, sheet))
    console.print(f"wrote {sheet}")


def _table(presets: Iterable[Style]) -> Table:
    table = Table("preset", "version", "steps", "guidance", "adapters", "title")
    for style in presets:
        dials = (_or_default(style.steps), _or_default(style.guidance_scale))
        adapters = ", ".join(f"{adapter.name} {adapter.scale:g}" for adapter in style.adapters) or "none"
        table.add_row(style.name, str(style.version), *dials, adapters, style.title)
    return table


def generate(
    prompt: Annotated[str, typer.Argument(help="What to paint.")],
    output: Annotated[Path, typer.Option("--out", "--output", "-o", help="PNG file to write.", dir_okay=False)] = Path(
        "picture.png"
    ),
    env_file: EnvFile = None,
    style: Annotated[str | None, typer.Option(help="Style preset; see `leadart styles`.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a Z-Image pipeline, else LEADART_ENGINE__MODEL's or the demo's.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="A LoRA file to paint with.", exists=True, dir_okay=False)
    ] = None,
    size: Annotated[str | None, typer.Option(help="Pixels, such as 256x256, instead of --width and --height.")] = None,
    width: Annotated[int | None, typer.Option()] = None,
    height: Annotated[int | None, typer.Option()] = None,
    steps: Annotated[int | None, typer.Option()] = None,
    guidance_scale: Annotated[float | None, typer.Option("--guidance", "--guidance-scale")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Make one picture without a bus, with the very brief and engine that the worker uses."""
    from consumer.admin.studio import GenerateOptions, paint_one

    if size is not None:
        if width is not None or height is not None:
            raise typer.BadParameter("give either --size or --width and --height", param_hint="--size")
        width, height = _sides(size)
    settings = settings_from(env_file)
    if model is not None:
        settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"model": model})})
    wish = GenerateOptions(prompt, style, width, height, steps, guidance_scale, seed, adapter)
    recipe = asyncio.run(paint_one(settings, wish, output))
    console.print(f"wrote {output} (style {recipe.style}, {recipe.width}x{recipe.height}, seed {recipe.seed})")


def _sides(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None:
        raise typer.BadParameter(f"{size} is no size: write width, x and height, such as 256x256", param_hint="--size")
    return int(match[1]), int(match[2])


def _or_default(value: object | None) -> str:
    return "default" if value is None else str(value)
