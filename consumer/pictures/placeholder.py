"""What a page shows while a picture loads: its ThumbHash and its dominant colour.

ThumbHash (https://evanw.github.io/thumbhash/) is a frequency transform in some 25 bytes. The package of that name does
it in pure Python and keeps the interpreter from everything else meanwhile; numpy takes a fortieth of the time.
"""

import base64
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_THUMB_SIDE = 100
_COLOURS = 8
_DECIMALS = 12
"""Beyond them processors differ, and a wave of nothing would be told apart from none."""

_Plane = NDArray[np.float64]


def thumbhash(image: Image.Image) -> str:
    """Return the ThumbHash of an RGB picture, in base64. Deterministic."""
    small = image.copy()
    small.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    red, green, blue = np.moveaxis(np.asarray(small, dtype=np.float64) / 255, -1, 0)
    width, height = small.size
    across, down = (max(1, _rounded(7 * side / max(small.size))) for side in small.size)
    lightness, light_scale, light_waves = _waves((red + green + blue) / 3, max(3, across), max(3, down))
    yellow, yellow_scale, yellow_waves = _waves((red + green) / 2 - blue, 3, 3)
    redness, red_scale, red_waves = _waves(red - green, 3, 3)
    colour = _rounded(63 * lightness) | _rounded(31.5 + 31.5 * yellow) << 6 | _rounded(31.5 + 31.5 * redness) << 12
    shape = (down if width > height else across) | _rounded(63 * yellow_scale) << 3 | _rounded(63 * red_scale) << 9
    header = colour | _rounded(31 * light_scale) << 18 | shape << 24 | (width > height) << 39
    halves = [*light_waves, *yellow_waves, *red_waves]
    halves += [0] * (len(halves) % 2)
    body = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    return base64.b64encode(header.to_bytes(5, "little") + body).decode()


def dominant_colour(image: Image.Image) -> str:
    """Return the most common colour of an RGB picture once it has only eight, such as #a1b2c3. Deterministic."""
    small = image.copy()
    small.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    paletted = small.quantize(_COLOURS, Image.Quantize.MEDIANCUT)
    counts = paletted.histogram()
    most = counts.index(max(counts))
    palette = paletted.getpalette() or []
    return "#" + bytes(palette[3 * most : 3 * most + 3]).hex()


def _waves(plane: _Plane, across: int, down: int) -> tuple[float, float, Iterator[int]]:
    """Return the plane's mean, its largest wave, and its low waves as shares of that, each from 0 to 15."""
    height, width = plane.shape
    spectrum = np.round(_cosines(down, height) @ plane @ _cosines(across, width).T / plane.size, _DECIMALS)
    kept = [
        float(spectrum[row, column])
        for row in range(down)
        for column in range(across)
        if row + column > 0 and column * down < across * (down - row)
    ]
    scale = max(map(abs, kept))
    return float(spectrum[0, 0]), scale, (_rounded(15 * (0.5 + 0.5 * wave / scale)) if scale else 0 for wave in kept)


def _cosines(count: int, length: int) -> _Plane:
    return np.cos(math.pi / length * np.outer(np.arange(count), np.arange(length) + 0.5))


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
