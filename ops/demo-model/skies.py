"""Above the horizon: the hour's colours, sun, moon and stars, and what the weather does before and behind a subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from brush import Colour, mix

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Hour:
    """One time of day: the sky's colours from top to horizon, what its light does to things, its clouds and mist."""

    sky: tuple[Colour, Colour, Colour]
    light: Colour
    share: float
    cloud: Colour
    mist: Colour
    glass: Colour


HOURS = {
    "dawn": Hour(
        ((128, 158, 226), (250, 190, 206), (255, 228, 160)),
        (255, 206, 186),
        0.24,
        (255, 214, 206),
        (244, 222, 222),
        (196, 206, 236),
    ),
    "day": Hour(
        ((44, 128, 226), (116, 186, 244), (206, 234, 252)),
        (255, 255, 255),
        0.0,
        (252, 252, 252),
        (228, 234, 238),
        (186, 222, 244),
    ),
    "dusk": Hour(
        ((78, 36, 104), (222, 68, 62), (255, 164, 40)),
        (206, 82, 52),
        0.34,
        (186, 84, 92),
        (226, 142, 104),
        (255, 214, 120),
    ),
    "night": Hour(
        ((6, 8, 34), (18, 26, 72), (44, 56, 116)), (16, 22, 66), 0.58, (66, 74, 112), (84, 94, 136), (255, 222, 120)
    ),
}

_GREY = {"cloudy": 0.3, "rain": 0.5, "storm": 0.62, "fog": 0.5}
_SLATE: dict[str, Colour] = {"cloudy": (170, 178, 188), "rain": (104, 116, 132), "storm": (40, 42, 56)}


def paint_sky(size: tuple[int, int], time: str, weather: str, rng: Random, *, flat: bool = False) -> Image.Image:
    """Return the sky of that hour and weather, without what falls from it; `flat` ones have bands and no glow."""
    hour = HOURS[time]
    picture = _gradient(size, _weathered(hour, weather), flat=flat)
    if weather in {"clear", "cloudy", "fog"}:
        _paint_lights(picture, time, weather, rng, 0.0 if flat else 1.0)
    if weather in _SLATE:
        _paint_clouds(picture, hour, weather, rng)
    if weather == "storm":
        _paint_lightning(picture, rng, 0.0 if flat else 1.0)
    return picture


def _weathered(hour: Hour, weather: str) -> list[Colour]:
    if weather == "clear":
        return list(hour.sky)
    target = hour.mist if weather == "fog" else mix(_SLATE[weather], hour.sky[0], 0.4)
    share = _GREY[weather]
    return [mix(colour, target, share * (1.0, 0.8, 0.45)[index]) for index, colour in enumerate(hour.sky)]


def _gradient(size: tuple[int, int], colours: list[Colour], *, flat: bool) -> Image.Image:
    width, height = size
    levels = np.arange(height) / height
    if flat:
        levels = np.select([levels < 0.2, levels < 0.36, levels < 0.5], [0.1, 0.3, 0.48], 0.66)
    rows = np.stack([np.interp(levels, [0.0, 0.42, 0.68], [c[i] for c in colours]) for i in range(3)], axis=1)
    return Image.fromarray(np.repeat(rows[:, None, :], width, axis=1).round().astype(np.uint8))


def _paint_lights(picture: Image.Image, time: str, weather: str, rng: Random, glow: float) -> None:
    width, height = picture.size
    unit = min(width, height)
    sheet = ImageDraw.Draw(picture)
    if time == "night":
        for _ in range(0 if weather == "fog" else 60):
            x, y, reach = rng.uniform(0, width), rng.uniform(0, height * 0.55), unit * rng.choice((0.003, 0.005, 0.008))
            sheet.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(250, 248, 226))
    spot = {"dawn": (0.16, 0.54), "day": (0.84, 0.15), "dusk": (0.84, 0.56), "night": (0.16, 0.16)}[time]
    x, y = (spot[0] + rng.uniform(-0.05, 0.05)) * width, (spot[1] + rng.uniform(-0.03, 0.03)) * height
    colour = {"dawn": (255, 246, 204), "day": (255, 236, 110), "dusk": (255, 120, 30), "night": (246, 242, 214)}[time]
    reach = unit * (0.1 if time in {"dusk", "dawn"} else 0.08)
    _glow(picture, (x, y), reach * 2.6, colour, glow * (0.55 if weather == "clear" else 0.35))
    if weather != "fog":
        disc = Image.new("L", picture.size)
        disc_sheet = ImageDraw.Draw(disc)
        disc_sheet.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
        if time == "night":
            disc_sheet.ellipse((x - reach * 0.4, y - reach * 1.15, x + reach * 1.5, y + reach * 0.75), fill=0)
        picture.paste(colour, (0, 0), disc)


def _glow(picture: Image.Image, spot: tuple[float, float], reach: float, colour: Colour, strength: float) -> None:
    width, height = picture.size
    across, down = np.arange(width) - spot[0], np.arange(height) - spot[1]
    fall = np.exp(-(across[None, :] ** 2 + down[:, None] ** 2) / (reach**2)) * strength * 255
    picture.paste(colour, (0, 0), Image.fromarray(fall.astype(np.uint8)))


def _paint_clouds(picture: Image.Image, hour: Hour, weather: str, rng: Random) -> None:
    width, height = picture.size
    sheet = ImageDraw.Draw(picture)
    if weather == "cloudy":
        for _ in range(5):
            _cloud(
                sheet,
                rng.uniform(0, width),
                rng.uniform(0.08, 0.42) * height,
                rng.uniform(0.16, 0.26) * min(width, height),
                hour.cloud,
            )
        return
    colour = mix(_SLATE[weather], hour.cloud, 0.22 if weather == "rain" else 0.08)
    for row in range(3):
        for step in range(-1, 7):
            x = (step + rng.uniform(-0.3, 0.3)) * width / 5.5
            y = (0.02 + row * 0.1 + rng.uniform(-0.03, 0.03)) * height
            reach = rng.uniform(0.13, 0.2) * min(width, height)
            shade = mix(colour, (12, 12, 24), 0.24 - row * 0.12) if row < 2 else mix(colour, hour.cloud, 0.14)
            sheet.ellipse((x - reach * 1.4, y - reach * 0.75, x + reach * 1.4, y + reach * 0.75), fill=shade)


def _cloud(sheet: ImageDraw.ImageDraw, x: float, y: float, reach: float, colour: Colour) -> None:
    under = mix(colour, (120, 126, 150), 0.3)
    for shade, lift in ((under, 0.1), (colour, 0.0)):
        for u, v, radius in ((-0.7, 0.1, 0.42), (-0.15, -0.12, 0.56), (0.45, 0.0, 0.46), (0.85, 0.14, 0.3)):
            cx, cy, r = x + u * reach, y + (v + lift) * reach, radius * reach
            sheet.ellipse((cx - r, cy - r * 0.8, cx + r, cy + r * 0.8), fill=shade)


def _paint_lightning(picture: Image.Image, rng: Random, glow: float) -> None:
    width, height = picture.size
    unit = min(width, height)
    for start in (rng.uniform(0.1, 0.32), rng.uniform(0.66, 0.9)):
        x, y = start * width, 0.16 * height
        bolt = [(x, y)]
        for _ in range(5):
            x, y = x + rng.uniform(-0.07, 0.07) * unit, y + height * 0.085
            bolt.append((x, y))
        _glow(picture, bolt[2], unit * 0.16, (206, 200, 255), 0.5 * glow)
        sheet = ImageDraw.Draw(picture)
        sheet.line(bolt, fill=(196, 186, 255), width=max(2, round(unit * 0.028)), joint="curve")
        sheet.line(bolt, fill=(255, 255, 246), width=max(1, round(unit * 0.014)), joint="curve")


def veil(picture: Image.Image, time: str, weather: str, strength: float) -> None:
    """Lay fog over what is far (strength 1) or near (less)."""
    if weather != "fog":
        return
    width, height = picture.size
    rows = np.interp(np.arange(height) / height, [0.0, 0.35, 0.62, 1.0], [0.1, 0.55, 0.7, 0.12])
    bands = 0.2 * np.sin(np.arange(height) / height * 36.0)
    mask = np.clip((rows + bands) * strength, 0, 1)[:, None] * np.ones((1, width)) * 255
    picture.paste(HOURS[time].mist, (0, 0), Image.fromarray(mask.astype(np.uint8)))


def fall(picture: Image.Image, time: str, weather: str, rng: Random) -> None:
    """Let rain fall over the whole picture: straight in rain, driven by the wind in a storm."""
    if weather not in {"rain", "storm"}:
        return
    width, height = picture.size
    unit = min(width, height)
    drops = Image.new("L", picture.size)
    sheet = ImageDraw.Draw(drops)
    slant, long, count = (0.16, 0.14, 90) if weather == "rain" else (0.9, 0.1, 46)
    for _ in range(round(count * width * height / unit**2)):
        x, y, reach = (
            rng.uniform(-0.1, 1.1) * width,
            rng.uniform(-0.1, 1.0) * height,
            long * unit * rng.uniform(0.7, 1.2),
        )
        sheet.line(
            (x, y, x - slant * reach, y + reach),
            fill=205 if weather == "rain" else 120,
            width=max(1, round(unit * 0.0085)),
        )
    colour = mix((226, 236, 250), HOURS[time].mist, 0.3)
    picture.paste(colour, (0, 0), drops.filter(ImageFilter.GaussianBlur(unit * 0.001)))
