"""Below the horizon: the eight grounds a subject can stand on, with what rises behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from brush import Colour, mix
from skies import HOURS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

HORIZON = 0.6
"""Where earth and sky meet, as a share of the height."""


class Land:
    """A drawing of the ground in shares of the picture: (0, 0) is the upper left corner, (1, 1) the lower right."""

    def __init__(self, picture: Image.Image, time: str, rng: Random) -> None:
        self.width, self.height = picture.size
        self.sheet = ImageDraw.Draw(picture)
        self.hour = HOURS[time]
        self.rng = rng

    def lit(self, colour: Colour) -> Colour:
        """Return the colour in the hour's light."""
        return mix(colour, self.hour.light, self.hour.share)

    def area(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        self.sheet.polygon([(x * self.width, y * self.height) for x, y in points], fill=self.lit(colour))

    def blob(self, x: float, y: float, wide: float, tall: float, colour: Colour) -> None:
        """Fill an ellipse."""
        left, top = (x - wide) * self.width, (y - tall) * self.height
        right, low = (x + wide) * self.width, (y + tall) * self.height
        self.sheet.ellipse((left, top, right, low), fill=self.lit(colour))

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float) -> None:
        """Draw a line whose width is a share of the height."""
        spots = [(x * self.width, y * self.height) for x, y in points]
        self.sheet.line(spots, fill=self.lit(colour), width=max(1, round(width * self.height)), joint="curve")

    def plain(self, near: Colour, far: Colour) -> None:
        """Fill everything below the horizon, from far to near."""
        bands = 14
        for band in range(bands):
            top = HORIZON + (1 - HORIZON) * band / bands
            self.area([(0, top), (1, top), (1, 1), (0, 1)], mix(far, near, band / (bands - 1)))


def _sea(land: Land) -> None:
    land.plain((8, 62, 122), (46, 140, 182))
    for row in range(7):
        y = HORIZON + 0.03 + row * 0.055
        step = 0.05 + row * 0.018
        x = -land.rng.uniform(0, step * 2)
        while x < 1:
            crest = [(x, y), (x + step * 0.5, y - 0.012 - row * 0.001), (x + step, y)]
            land.line(crest, mix((226, 244, 250), (46, 140, 182), 0.3), 0.006 + row * 0.0012)
            x += step * land.rng.uniform(1.6, 2.6)


def _river(land: Land) -> None:
    land.plain((76, 138, 58), (150, 190, 96))
    land.blob(0.2, HORIZON + 0.01, 0.34, 0.035, (92, 146, 78))
    bend = [(0.56, HORIZON), (0.62, HORIZON), (0.5, 0.68), (0.6, 0.76), (1.0, 0.9), (1.0, 1.0), (0.0, 1.0), (0.0, 0.9)]
    land.area([*bend, (0.3, 0.78), (0.38, 0.68)], (56, 146, 206))
    for y, left, right in ((0.72, 0.4, 0.5), (0.8, 0.34, 0.56), (0.86, 0.24, 0.4), (0.92, 0.5, 0.8), (0.96, 0.1, 0.34)):
        land.line([(left, y), (right, y)], (196, 230, 246), 0.008)
    for x in (0.04, 0.09, 0.93, 0.97):
        for reed in range(3):
            land.line([(x + reed * 0.012, 0.9), (x + reed * 0.016 - 0.01, 0.74)], (58, 96, 40), 0.01)


def _meadow(land: Land) -> None:
    land.blob(0.2, HORIZON + 0.06, 0.5, 0.12, (128, 190, 84))
    land.blob(0.85, HORIZON + 0.07, 0.45, 0.1, (112, 178, 76))
    land.plain((84, 164, 50), (150, 208, 88))
    for _ in range(42):
        x, y = land.rng.uniform(0, 1), land.rng.uniform(HORIZON + 0.06, 0.99)
        land.line([(x, y), (x + 0.008, y - 0.035)], (52, 122, 34), 0.006)
    for _ in range(16):
        x, y = land.rng.uniform(0, 1), land.rng.uniform(HORIZON + 0.08, 0.98)
        land.blob(x, y, 0.011, 0.011, land.rng.choice(((255, 250, 230), (255, 226, 90))))


def _forest(land: Land) -> None:
    for row, shade in enumerate(((28, 82, 60), (18, 62, 42))):
        for step in range(-1, 11):
            x = (step + row * 0.5 + land.rng.uniform(-0.2, 0.2)) / 9.5
            high = land.rng.uniform(0.24, 0.34) - row * 0.06
            base = HORIZON + 0.02 + row * 0.05
            for tier in range(3):
                low, half = base - high * 0.25 * tier, 0.075 - 0.017 * tier
                land.area([(x - half, low), (x + half, low), (x, low - high * 0.5)], shade)
    land.area([(0, HORIZON + 0.06), (1, HORIZON + 0.06), (1, 1), (0, 1)], (52, 76, 38))
    for _ in range(40):
        x, y = land.rng.uniform(0, 1), land.rng.uniform(HORIZON + 0.1, 0.99)
        land.line([(x - 0.02, y), (x, y - 0.03), (x + 0.02, y)], (30, 56, 28), 0.008)


def _desert(land: Land) -> None:
    land.plain((222, 164, 84), (250, 214, 140))
    for x, y, wide, tall, shade in (
        (0.15, 0.68, 0.45, 0.08, (240, 194, 116)),
        (0.8, 0.72, 0.5, 0.1, (230, 178, 98)),
        (0.3, 0.9, 0.6, 0.12, (214, 156, 78)),
    ):
        land.blob(x, y + 0.02, wide, tall, mix(shade, (150, 92, 50), 0.3))
        land.blob(x - 0.03, y + 0.035, wide, tall, shade)
    x = land.rng.choice((0.08, 0.92))
    land.line([(x, HORIZON + 0.14), (x, HORIZON - 0.06)], (70, 116, 60), 0.035)
    land.line([(x - 0.05, HORIZON - 0.01), (x - 0.05, HORIZON + 0.05), (x, HORIZON + 0.06)], (70, 116, 60), 0.022)
    land.line([(x + 0.05, HORIZON - 0.03), (x + 0.05, HORIZON + 0.03), (x, HORIZON + 0.04)], (70, 116, 60), 0.022)


def _snow(land: Land) -> None:
    land.plain((250, 252, 255), (206, 222, 240))
    for x, y, wide, tall in ((0.1, 0.7, 0.5, 0.08), (0.9, 0.74, 0.5, 0.1), (0.4, 0.94, 0.7, 0.14)):
        land.blob(x, y, wide, tall, (184, 206, 232))
        land.blob(x + 0.02, y + 0.016, wide, tall, (246, 250, 255))
    for x in (0.05, 0.12, 0.88, 0.95):
        high, base = land.rng.uniform(0.12, 0.18), HORIZON + 0.06
        land.area([(x - 0.05, base), (x + 0.05, base), (x, base - high)], (70, 104, 104))
        land.area([(x - 0.025, base - high * 0.5), (x + 0.025, base - high * 0.5), (x, base - high)], (250, 252, 255))


def _mountains(land: Land) -> None:
    for usual, high, shade in ((0.0, 0.3, 0), (0.98, 0.34, 0), (0.34, 0.42, 1), (0.72, 0.36, 1)):
        x = usual + land.rng.uniform(-0.06, 0.06)
        base, half = HORIZON + 0.03, high * 0.8
        rock: Colour = (122, 116, 140) if shade else (146, 146, 172)
        land.area([(x - half, base), (x, base - high), (x + half, base)], rock)
        land.area([(x, base), (x, base - high), (x + half, base)], mix(rock, (40, 40, 66), 0.35))
        cap = high * 0.34
        edge = base - high + cap
        drip = [(x + half * 0.34, edge), (x + half * 0.12, edge - cap * 0.3), (x, edge + cap * 0.1)]
        land.area(
            [(x, base - high), *drip, (x - half * 0.14, edge - cap * 0.3), (x - half * 0.34, edge)], (250, 250, 255)
        )
    land.plain((104, 98, 92), (142, 138, 132))
    for _ in range(22):
        x, y = land.rng.uniform(0, 1), land.rng.uniform(HORIZON + 0.08, 0.98)
        reach = land.rng.uniform(0.012, 0.034)
        land.area(
            [(x - reach, y), (x - reach * 0.4, y - reach), (x + reach * 0.6, y - reach * 0.8), (x + reach, y)],
            (84, 78, 74),
        )


def _street(land: Land) -> None:
    x = -0.03
    night = land.hour is HOURS["night"] or land.hour is HOURS["dusk"]
    while x < 1:
        wide, high = land.rng.uniform(0.09, 0.15), land.rng.uniform(0.16, 0.36)
        wall: Colour = land.rng.choice(((150, 128, 120), (128, 136, 152), (168, 150, 132), (112, 116, 132)))
        land.area(
            [(x, HORIZON + 0.04), (x, HORIZON - high), (x + wide, HORIZON - high), (x + wide, HORIZON + 0.04)], wall
        )
        for row in range(int(high / 0.07)):
            for column in range(2):
                left, top = x + wide * (0.18 + column * 0.4), HORIZON - high + 0.025 + row * 0.068
                spot = (
                    left * land.width,
                    top * land.height,
                    (left + wide * 0.22) * land.width,
                    (top + 0.036) * land.height,
                )
                land.sheet.rectangle(
                    spot, fill=land.hour.glass if night and land.rng.random() < 0.7 else land.lit((84, 92, 110))
                )
        x += wide + 0.008
    land.area([(0, HORIZON + 0.04), (1, HORIZON + 0.04), (1, 1), (0, 1)], (178, 174, 168))
    land.area([(0, HORIZON + 0.12), (1, HORIZON + 0.12), (1, 1), (0, 1)], (92, 94, 102))
    for step in range(5):
        left = step * 0.24 - 0.04
        land.area([(left, 0.91), (left + 0.13, 0.91), (left + 0.12, 0.935), (left - 0.01, 0.935)], (240, 236, 214))


GROUNDS: dict[str, Callable[[Land], None]] = {
    "sea": _sea,
    "river": _river,
    "meadow": _meadow,
    "forest": _forest,
    "desert": _desert,
    "snow": _snow,
    "mountains": _mountains,
    "street": _street,
}
"""The painter of every ground."""
