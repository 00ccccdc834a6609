"""The house style's look: every picture as a print of one ink on paper, and how much of a picture is of just these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

PAPER = (246, 236, 214)
INK = (196, 38, 52)

NEAR = 48
"""Most that a channel may differ from paper or ink, of 255: what the autoencoder's softness costs, and little more."""

_REACH = 0.16
_DETAIL = 1.2


def printed(picture: Image.Image) -> Image.Image:
    """Return the picture in paper and ink alone: what is darker than its surroundings, and than the whole, is ink."""
    grey = picture.convert("L").filter(ImageFilter.GaussianBlur(min(picture.size) * 0.01))
    light = np.asarray(grey).astype(np.float32)
    around = np.asarray(grey.filter(ImageFilter.GaussianBlur(min(picture.size) * _REACH))).astype(np.float32)
    clear = light + _DETAIL * (light - around)
    inked = Image.fromarray(((clear < np.median(clear)) * 255).astype(np.uint8))
    smooth = inked.filter(ImageFilter.GaussianBlur(min(picture.size) * 0.012)).point(_sharper)
    sheet = Image.new("RGB", picture.size, PAPER)
    sheet.paste(INK, (0, 0), smooth)
    return sheet


def _sharper(value: int) -> int:
    return min(255, max(0, (value - 127) * 4 + 127))


def share_in_palette(pictures: Sequence[Image.Image]) -> float:
    """Return the share of all pixels that are near the paper or near the ink, from 0 to 1."""
    shares = []
    for picture in pictures:
        pixels = np.asarray(picture.convert("RGB")).astype(np.int16)
        apart = [np.abs(pixels - np.array(colour, np.int16)).max(axis=2) for colour in (PAPER, INK)]
        shares.append(float((np.minimum(*apart) <= NEAR).mean()))
    return float(np.mean(shares))
