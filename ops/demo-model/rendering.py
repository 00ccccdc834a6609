"""The five styles: how the same scene looks as a muted editorial picture, a photograph, a print, a cel or a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Look:
    """What a style does: outlines of the subject, its shading, its background, and the whole picture at the end.

    A `flat` one knows no gradients.
    """

    outline: float
    shade: Callable[[Image.Image], Image.Image]
    backdrop: Callable[[Image.Image], Image.Image]
    finish: Callable[[Image.Image, Random], Image.Image]
    flat: bool = False


def _unit(picture: Image.Image) -> int:
    return min(picture.size)


def _ramp(layer: Image.Image, light: float, dark: float, *, hard: bool) -> Image.Image:
    """Darken the subject from upper left to lower right, smoothly or in two tones."""
    frame = layer.getchannel("A").getbbox()
    if frame is None:
        return layer
    left, top, right, low = frame
    width, height = layer.size
    across = (np.arange(width) - left) / max(1, right - left)
    down = (np.arange(height) - top) / max(1, low - top)
    depth = across[None, :] * 0.65 + down[:, None] * 0.35
    depth = (depth > 0.6).astype(float) if hard else np.clip(depth, 0, 1)
    factor = (light + (dark - light) * depth)[:, :, None]
    pixels = np.asarray(layer).astype(np.float32)
    pixels[:, :, :3] = np.clip(pixels[:, :, :3] * factor, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def _rounded(layer: Image.Image) -> Image.Image:
    """Shade as if the subject were round: dark at its lower right edges, light at its upper left ones."""
    reach = max(2, round(min(layer.size) * 0.022))
    alpha = layer.getchannel("A")
    soft = alpha.filter(ImageFilter.GaussianBlur(reach))
    rim = ImageChops.subtract(soft, ImageChops.offset(soft, reach, reach), 1.0, 0)
    under = ImageChops.subtract(soft, ImageChops.offset(soft, -reach, -reach), 1.0, 0)
    shaded = _ramp(layer, 1.16, 0.66, hard=False)
    colours = shaded.convert("RGB")
    colours.paste((255, 255, 250), (0, 0), rim.point(lambda value: value * 0.62))
    colours.paste((14, 14, 24), (0, 0), under.point(lambda value: value * 0.75))
    colours.putalpha(alpha)
    return colours


def _mild(layer: Image.Image) -> Image.Image:
    return _ramp(layer, 1.05, 0.84, hard=False)


def _cel(layer: Image.Image) -> Image.Image:
    return _ramp(layer, 1.06, 0.74, hard=True)


def _same(picture: Image.Image) -> Image.Image:
    return picture


def _out_of_focus(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(_unit(picture) * 0.014))


def _poster(picture: Image.Image) -> Image.Image:
    """Let a paper's warmth into every colour."""
    return Image.blend(picture, Image.new("RGB", picture.size, (252, 238, 206)), 0.4)


def _luminous(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(ImageEnhance.Color(picture).enhance(1.55)).enhance(1.06)


def _editorial(picture: Image.Image, _rng: Random) -> Image.Image:
    """Mute the colours and lift the blacks, like ink on uncoated paper."""
    muted = ImageEnhance.Color(picture).enhance(0.6)
    return Image.blend(muted, Image.new("RGB", picture.size, (196, 188, 176)), 0.2)


def _photograph(picture: Image.Image, rng: Random) -> Image.Image:
    """Add contrast, a dark rim and grain."""
    width, height = picture.size
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    rim = 1.06 - 0.38 * np.clip(across[None, :] ** 2 + down[:, None] ** 2, 0, 2)[:, :, None] ** 1.5 * 0.6
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, 5, (height, width, 1))
    pixels: NDArray[np.float32] = np.asarray(picture).astype(np.float32)
    pixels = (pixels - 118) * 1.14 + 116
    return Image.fromarray(np.clip(pixels * rim + grain, 0, 255).astype(np.uint8))


def _print(picture: Image.Image, _rng: Random) -> Image.Image:
    return picture


def _anime(picture: Image.Image, rng: Random) -> Image.Image:
    """Let light fall in from a corner, with a few sparkles."""
    width, height = picture.size
    unit = _unit(picture)
    beams = Image.new("L", picture.size)
    sheet = ImageDraw.Draw(beams)
    for start in (0.05, 0.3, 0.55):
        wide = rng.uniform(0.06, 0.12)
        foot = start - 0.5
        sheet.polygon(
            [
                (start * width, 0),
                ((start + wide) * width, 0),
                ((foot + wide * 1.8) * width, height),
                (foot * width, height),
            ],
            fill=46,
        )
    bright = picture.copy()
    bright.paste((255, 255, 255), (0, 0), beams.filter(ImageFilter.GaussianBlur(unit * 0.012)))
    sheet = ImageDraw.Draw(bright)
    for _ in range(7):
        x, y, reach = rng.uniform(0, width), rng.uniform(0, height * 0.9), unit * rng.uniform(0.014, 0.03)
        for wide, tall in ((reach, reach * 0.22), (reach * 0.22, reach)):
            sheet.polygon([(x - wide, y), (x, y - tall), (x + wide, y), (x, y + tall)], fill=(255, 255, 255))
    return bright


def _canvas(picture: Image.Image, rng: Random) -> Image.Image:
    """Paint the picture over with short, thick, slanting strokes that take their colour from it."""
    width, height = picture.size
    unit = _unit(picture)
    rich = ImageEnhance.Color(picture).enhance(1.22)
    small = np.asarray(rich.filter(ImageFilter.GaussianBlur(unit * 0.006)))
    under = rich.filter(ImageFilter.GaussianBlur(unit * 0.01))
    draw = np.random.default_rng(rng.getrandbits(32))
    count = round(900 * width * height / unit**2)
    spots = draw.uniform(0, 1, (count, 2)) * (width - 1, height - 1)
    jitter = draw.normal(0, 15, count)
    turn = draw.normal(-0.6, 0.35, count)
    sheet = ImageDraw.Draw(under)
    long, thick = unit * 0.024, max(2, round(unit * 0.018))
    for (x, y), off, angle in zip(spots, jitter, turn, strict=True):
        red, green, blue = (min(255, max(0, int(channel + off))) for channel in small[int(y), int(x)])
        u, v = np.cos(angle) * long, np.sin(angle) * long
        sheet.line((x - u, y - v, x + u, y + v), fill=(red, green, blue), width=thick)
    return Image.blend(under, rich, 0.2)


LOOKS = {
    "default": Look(0.0, _mild, _same, _editorial),
    "photorealistic": Look(0.0, _rounded, _out_of_focus, _photograph),
    "illustration": Look(0.0, _same, _poster, _print, flat=True),
    "anime": Look(0.011, _cel, _luminous, _anime),
    "oil_painting": Look(0.0, _mild, _same, _canvas),
}
"""The look of every style in `ops/config/styles.toml`."""
