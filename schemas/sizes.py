"""Sizes of pictures: what may be asked for, and the multiples of 16 at which it is painted."""

import math
from fractions import Fraction
from typing import Final

UNIT: Final = 16
"""Sides are painted at multiples of this many pixels."""

SIDES: Final = (64, 2048)
"""Minimum and maximum side of a picture, in pixels."""

MAX_PIXELS: Final = 1536 * 1536
"""Maximum pixels of a picture as it is painted, width times height."""

SIZE_BOUNDS: Final = (
    f"width and height may be {SIDES[0]} to {SIDES[1]} each, and multiplied at most {MAX_PIXELS} (1536x1536), both "
    f"rounded up to multiples of {UNIT}"
)
"""Every bound at once, for messages: who corrects one must not meet the next."""

ASPECT_PATTERN: Final = r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$"


def painted(side: int) -> int:
    """Return the side at which one of this many pixels is painted, to be trimmed afterwards."""
    return -(-side // UNIT) * UNIT


def fits(width: int, height: int) -> bool:
    """Return whether a size is within all bounds."""
    sides = all(SIDES[0] <= side <= SIDES[1] for side in (width, height))
    return sides and painted(width) * painted(height) <= MAX_PIXELS


def asked_size(width: int | None, height: int | None, aspect: str | None, usual: tuple[int, int]) -> tuple[int, int]:
    """Return the size in whole pixels that a request asks for, which may be out of bounds.

    A side alone gets the other from `aspect`, else from the ratio of the `usual` size. An aspect alone gets the area of
    the usual size, as nearly as whole pixels allow.
    """
    if width and height:
        return width, height
    ratio = ratio_of(aspect) if aspect else Fraction(*usual)
    if width:
        return width, round(width / ratio)
    if height:
        return round(height * ratio), height
    if aspect is None:
        return usual
    across = round(math.sqrt(usual[0] * usual[1] * ratio))
    return across, round(across / ratio)


def has_aspect(width: int, height: int, aspect: str) -> bool:
    """Return whether one of the sides, made of the other by the aspect, is as given."""
    ratio = ratio_of(aspect)
    return round(width / ratio) == height or round(height * ratio) == width


def ratio_of(aspect: str) -> Fraction:
    """Return width to height. The aspect matches `ASPECT_PATTERN`."""
    width, _, height = aspect.partition(":")
    return Fraction(int(width), int(height))
