"""A pen that draws a subject in its own units, so that one drawing serves every size, place and direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAINTS: dict[str, Colour] = {
    "red": (212, 32, 34),
    "orange": (244, 128, 16),
    "yellow": (250, 212, 30),
    "green": (36, 148, 58),
    "blue": (30, 88, 208),
    "purple": (122, 48, 172),
    "pink": (250, 132, 180),
    "brown": (116, 70, 38),
    "white": (246, 246, 244),
    "black": (28, 28, 32),
}
"""The ten colours of a subject."""

INK: Colour = (34, 32, 44)
STEEL: Colour = (128, 134, 144)
PALE: Colour = (238, 234, 224)
SKIN: Colour = (236, 190, 156)
WOOD: Colour = (104, 74, 50)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` with that share of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws in units of the subject's size: u to the right of its middle, v upwards from where it stands.

    `main` is the subject's colour, `glass` what its windows show, `line` the width of outlines in pixels (0 for none).
    """

    sheet: ImageDraw.ImageDraw
    x: float
    y: float
    size: float
    facing: int
    main: Colour
    glass: Colour
    line: int

    @property
    def dark(self) -> Colour:
        """The colour in shade."""
        return mix(self.main, INK, 0.34 if sum(self.main) > 150 else 0.0)

    @property
    def light(self) -> Colour:
        """The colour in light."""
        return mix(self.main, (255, 255, 255), 0.3)

    @property
    def trim(self) -> Colour:
        """A neutral that stands out from the colour."""
        return PALE if sum(self.main) < 560 else STEEL

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill a polygon."""
        spots = [self._at(point) for point in points]
        self.sheet.polygon(spots, fill=fill)
        if self.line:
            self.sheet.line([*spots, spots[0], spots[1]], fill=INK, width=self.line, joint="curve")

    def box(self, left: float, low: float, right: float, high: float, fill: Colour) -> None:
        """Fill a rectangle."""
        self.shape([(left, low), (right, low), (right, high), (left, high)], fill)

    def oval(self, u: float, v: float, wide: float, tall: float, fill: Colour) -> None:
        """Fill an ellipse with its middle at (u, v); `wide` and `tall` are its half axes."""
        frame = self._frame(u, v, wide, tall)
        self.sheet.ellipse(frame, fill=fill, outline=INK if self.line else None, width=max(self.line, 1))

    def patch(self, u: float, v: float, wide: float, tall: float, fill: Colour) -> None:
        """Fill an ellipse that never has an outline: it hides those below."""
        self.sheet.ellipse(self._frame(u, v, wide, tall), fill=fill)

    def ring(self, u: float, v: float, radius: float, width: float, fill: Colour) -> None:
        """Draw a circle's edge."""
        x, y = self._at((u, v))
        reach = radius * self.size
        self.sheet.ellipse((x - reach, y - reach, x + reach, y + reach), outline=fill, width=self._px(width))

    def stroke(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a line through the points, with round ends."""
        spots = [self._at(point) for point in points]
        wide = self._px(width)
        self.sheet.line(spots, fill=fill, width=wide, joint="curve")
        for x, y in (spots[0], spots[-1]):
            self.sheet.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=fill)

    def _frame(self, u: float, v: float, wide: float, tall: float) -> tuple[float, float, float, float]:
        x, y = self._at((u, v))
        return x - wide * self.size, y - tall * self.size, x + wide * self.size, y + tall * self.size

    def _at(self, point: Point) -> Point:
        return self.x + self.facing * point[0] * self.size, self.y - point[1] * self.size

    def _px(self, width: float) -> int:
        return max(1, round(width * self.size))
