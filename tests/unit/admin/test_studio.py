"""Pictures without a bus: what is refused before anything is painted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from consumer.admin import studio
from consumer.admin.studio import GenerateOptions, paint_one, paint_sheet
from consumer.engine.swatch import MODEL, SwatchEngine
from consumer.errors import Fatal
from consumer.jobs import Adapter, Paintable
from consumer.processing.styles import load_styles
from consumer.settings import EngineKind, EngineSettings, Settings, resources
from schemas import defaults

HOUSE = """\
[default]
title = "House"
description = "Calm."
version = 1
photorealistic = false
template = "{subject}."
steps = 1
width = 64
height = 64
[print]
title = "Print"
description = "Ink."
version = 1
photorealistic = false
template = "{subject}, printed."
steps = 1
width = 64
height = 64
adapters = [{ name = "print-house", scale = 0.8 }]
"""


class Loaded(SwatchEngine):
    """A swatch engine that stands in for one with a LoRA."""

    @property
    def paintable(self) -> Paintable:
        return Paintable(MODEL, {"print-house": "a" * 64})


def painted(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("*.png")]


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The site's styles, and an engine that seems to paint but has no adapters."""
    monkeypatch.setattr(studio, "open_engine", SwatchEngine)
    file = tmp_path / "styles.toml"
    file.write_text(HOUSE, encoding="utf-8")
    return Settings.model_validate({"styles": {"file": file}, "engine": {"model": tmp_path / "model"}})


async def test_a_style_whose_adapter_is_missing_is_told(settings: Settings, tmp_path: Path) -> None:
    """A designer reads which style wants which adapter; the styles without any are painted all the same."""
    with pytest.raises(Fatal, match=r"'print' names the adapter 'print-house'.*LEADART_ENGINE__ADAPTERS"):
        await paint_one(settings, GenerateOptions("a harbour", style="print"), tmp_path / "print.png")
    with pytest.raises(Fatal, match="'print-house'"):
        await paint_sheet(settings, load_styles(settings.styles.file), "a harbour", 1, tmp_path / "sheet.png")

    await paint_one(settings, GenerateOptions("a harbour"), tmp_path / "plain.png")
    assert painted(tmp_path) == ["plain.png"]


async def test_a_style_with_an_adapter_is_painted_with_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe that the engine gets has the LoRA's digest and the style's strength."""
    monkeypatch.setattr(studio, "open_engine", Loaded)
    recipe = await paint_one(settings, GenerateOptions("a harbour", style="print"), tmp_path / "print.png")

    assert recipe.adapters == (Adapter("print-house", "a" * 64, 0.8),)
    with Image.open(tmp_path / "print.png") as image:
        assert image.size == (64, 64)


async def test_the_swatch_engine_paints_every_style(settings: Settings, tmp_path: Path) -> None:
    """Its cards stand for pictures, so a style is shown on the sheet whether its adapter is there or not."""
    swatches = settings.model_copy(update={"engine": settings.engine.model_copy(update={"kind": EngineKind.SWATCH})})
    await paint_sheet(swatches, load_styles(settings.styles.file), "a harbour", 1, tmp_path / "sheet.png")

    assert painted(tmp_path) == ["sheet.png"]


async def test_without_a_setting_the_model_that_ships_paints_at_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A designer needs no settings; a model that is named is used, at the usual size."""
    opened: list[EngineSettings] = []

    def open_engine(engine: EngineSettings) -> SwatchEngine:
        opened.append(engine)
        return SwatchEngine(engine)

    monkeypatch.setattr(studio, "open_engine", open_engine)
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(resources, "_DEMO_MODELS", (tmp_path / "shipped",))
    bare = Settings()
    own = bare.model_copy(update={"engine": bare.engine.model_copy(update={"model": tmp_path / "own"})})
    sizes = [
        (recipe.width, recipe.height)
        for recipe in (
            await paint_one(bare, GenerateOptions("a harbour", steps=1), tmp_path / "a.png"),
            await paint_one(bare, GenerateOptions("a harbour", steps=1, width=64, height=96), tmp_path / "b.png"),
            await paint_one(own, GenerateOptions("a harbour", steps=1), tmp_path / "c.png"),
        )
    ]

    assert [engine.model for engine in opened] == [tmp_path / "shipped", tmp_path / "shipped", tmp_path / "own"]
    assert sizes == [(256, 256), (64, 96), (defaults.WIDTH, defaults.HEIGHT)]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 126, "height": 67}, (126, 67)),
        ({"width": 120, "aspect": "16:9"}, (120, 68)),
        ({"width": 90}, (90, 90)),
    ],
)
async def test_a_picture_has_exactly_the_size_asked_for(
    options: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    """The file that is written, although it was painted larger."""
    settings = Settings(engine=EngineSettings(kind=EngineKind.SWATCH, swatch_seconds=0))
    recipe = await paint_one(settings, GenerateOptions("a harbour", steps=1, **options), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == recipe.size == size


async def test_a_lora_file_is_painted_with(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At full strength and alone; with its folder where the style names others; one of a style is not taken twice."""
    opened: list[EngineSettings] = []

    def open_engine(engine: EngineSettings) -> Loaded:
        opened.append(engine)
        return Loaded(engine)

    monkeypatch.setattr(studio, "open_engine", open_engine)
    file = tmp_path / "loras" / "print-house.safetensors"
    plain = await paint_one(settings, GenerateOptions("a harbour", adapter=file), tmp_path / "plain.png")
    styled = await paint_one(
        settings, GenerateOptions("a harbour", style="print", adapter=file), tmp_path / "styled.png"
    )
    other = file.with_stem("other")
    with pytest.raises(Fatal, match="'other'"):  # the stand-in has no other
        await paint_one(settings, GenerateOptions("a harbour", style="print", adapter=other), tmp_path / "both.png")

    assert [engine.adapters for engine in opened] == [file, file, file.parent]
    assert plain.adapters == styled.adapters == (Adapter("print-house", "a" * 64, 1.0),)


async def test_the_swatch_engine_takes_no_lora(settings: Settings, tmp_path: Path) -> None:
    """It would paint without, so it says that it cannot."""
    swatches = settings.model_copy(update={"engine": settings.engine.model_copy(update={"kind": EngineKind.SWATCH})})
    with pytest.raises(Fatal, match="leave --adapter out"):
        await paint_one(
            swatches, GenerateOptions("a harbour", adapter=tmp_path / "ink.safetensors"), tmp_path / "out.png"
        )
