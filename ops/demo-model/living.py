"""What lives or is held in a hand: plants, animals, people and small things."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING

from brush import INK, PALE, SKIN, STEEL, WOOD

if TYPE_CHECKING:
    from brush import Pen

_LEAF = (60, 130, 62)


def tree(pen: Pen) -> None:
    """A round-headed tree, its leaves in the colour."""
    pen.shape([(-0.13, 0.0), (0.13, 0.0), (0.08, 0.5), (-0.08, 0.5)], WOOD)
    for u, v, radius in (
        (-0.31, 0.56, 0.2),
        (0.31, 0.56, 0.2),
        (-0.16, 0.78, 0.2),
        (0.16, 0.78, 0.2),
        (0.0, 0.52, 0.2),
    ):
        pen.oval(u, v, radius, radius, pen.main)
    pen.patch(0.0, 0.64, 0.34, 0.22, pen.main)
    for u, v in ((-0.16, 0.84), (0.08, 0.88), (-0.32, 0.62)):
        pen.stroke([(u - 0.04, v), (u + 0.04, v)], pen.light, 0.05)


def flower(pen: Pen) -> None:
    """A flower with five petals on a stem."""
    pen.stroke([(0.0, 0.0), (0.0, 0.6)], _LEAF, 0.07)
    for side in (-1, 1):
        pen.shape([(0.0, 0.04), (side * 0.2, 0.24), (side * 0.42, 0.28), (side * 0.26, 0.08)], _LEAF)
    for step in range(5):
        angle = radians(90 + 72 * step)
        pen.oval(0.24 * cos(angle), 0.7 + 0.24 * sin(angle), 0.145, 0.145, pen.main)
    middle = (92, 62, 40) if sum(pen.main) > 330 else (250, 214, 70)
    pen.oval(0.0, 0.7, 0.16, 0.16, middle)


def plant(pen: Pen) -> None:
    """A young leafy plant in a clay pot, its leaves in the colour."""
    pen.stroke([(0.0, 0.25), (0.0, 0.66)], _LEAF, 0.035)
    for side, low, out, up in (
        (-1, 0.36, 0.5, 0.6),
        (1, 0.36, 0.5, 0.6),
        (-1, 0.45, 0.36, 0.88),
        (1, 0.45, 0.36, 0.88),
    ):
        pen.shape(
            [(0.0, low), (side * out * 0.5, low + 0.02), (side * out, up), (side * out * 0.35, up - 0.06)], pen.main
        )
    pen.shape([(0.0, 0.55), (-0.1, 0.76), (0.0, 0.98), (0.1, 0.76)], pen.main)
    pen.shape([(-0.2, 0.0), (0.2, 0.0), (0.28, 0.3), (-0.28, 0.3)], (182, 104, 72))
    pen.box(-0.32, 0.26, 0.32, 0.36, (206, 128, 92))


def bird(pen: Pen) -> None:
    """A bird in flight, wings wide."""
    pen.shape([(-0.1, 0.5), (0.06, 0.52), (-0.02, 0.72), (-0.26, 0.98), (-0.6, 0.9), (-0.3, 0.72)], pen.dark)
    pen.shape([(-0.3, 0.46), (-0.58, 0.36), (-0.56, 0.52), (-0.28, 0.52)], pen.main)
    pen.oval(0.0, 0.48, 0.34, 0.12, pen.main)
    pen.oval(0.34, 0.55, 0.1, 0.1, pen.main)
    pen.shape([(0.42, 0.59), (0.56, 0.54), (0.42, 0.51)], (244, 164, 40))
    pen.shape([(-0.08, 0.5), (0.18, 0.52), (0.22, 0.72), (0.1, 0.98), (-0.3, 1.06), (-0.12, 0.8)], pen.main)
    pen.oval(0.37, 0.57, 0.022, 0.022, INK if sum(pen.main) > 200 else PALE)


def dog(pen: Pen) -> None:
    """A dog that stands, tail up."""
    pen.stroke([(-0.34, 0.5), (-0.5, 0.72)], pen.main, 0.08)
    for u in (-0.32, -0.2, 0.14, 0.26):
        pen.box(u - 0.045, 0.0, u + 0.045, 0.36, pen.main if u in {-0.32, 0.26} else pen.dark)
    pen.shape([(-0.4, 0.32), (-0.4, 0.54), (0.2, 0.6), (0.34, 0.5), (0.32, 0.3)], pen.main)
    pen.shape([(0.14, 0.5), (0.24, 0.84), (0.44, 0.84), (0.6, 0.7), (0.56, 0.6), (0.36, 0.56)], pen.main)
    pen.shape([(0.22, 0.84), (0.32, 0.82), (0.26, 0.56), (0.16, 0.62)], pen.dark)
    pen.oval(0.59, 0.7, 0.035, 0.035, INK)
    pen.oval(0.42, 0.75, 0.024, 0.024, INK if sum(pen.main) > 200 else PALE)
    pen.stroke([(0.2, 0.55), (0.32, 0.55)], (206, 60, 56) if pen.main[2] > 40 else STEEL, 0.04)


def person(pen: Pen) -> None:
    """A person in a coat of the colour, walking."""
    pen.stroke([(-0.03, 0.4), (-0.13, 0.03)], INK, 0.085)
    pen.stroke([(0.03, 0.4), (0.14, 0.03)], INK, 0.085)
    pen.stroke([(-0.13, 0.7), (-0.23, 0.42)], pen.dark, 0.085)
    pen.shape([(-0.15, 0.76), (0.15, 0.76), (0.21, 0.3), (-0.21, 0.3)], pen.main)
    pen.stroke([(0.13, 0.7), (0.25, 0.44)], pen.main, 0.085)
    pen.oval(0.0, 0.88, 0.1, 0.11, SKIN)
    pen.shape([(-0.11, 0.89), (-0.09, 1.0), (0.05, 1.01), (0.11, 0.92)], WOOD)


def robot(pen: Pen) -> None:
    """A robot with a square head and an aerial."""
    pen.stroke([(0.0, 0.9), (0.0, 1.02)], STEEL, 0.025)
    pen.oval(0.0, 1.03, 0.04, 0.04, (240, 80, 60))
    for side in (-1, 1):
        pen.box(side * 0.13 - 0.055, 0.0, side * 0.13 + 0.055, 0.24, STEEL)
        pen.stroke([(side * 0.27, 0.52), (side * 0.4, 0.28)], STEEL, 0.07)
        pen.oval(side * 0.41, 0.26, 0.05, 0.05, pen.dark)
    pen.box(-0.26, 0.2, 0.26, 0.58, pen.main)
    pen.box(-0.14, 0.32, 0.14, 0.48, PALE)
    pen.box(-0.22, 0.62, 0.22, 0.9, pen.main)
    for u in (-0.1, 0.1):
        pen.oval(u, 0.78, 0.055, 0.055, (252, 240, 170))
        pen.oval(u, 0.78, 0.025, 0.025, INK)
    pen.box(-0.11, 0.66, 0.11, 0.7, INK)


def book(pen: Pen) -> None:
    """An open book that stands with its cover to us."""
    pen.shape([(0.02, 0.06), (0.5, 0.16), (0.5, 0.84), (0.02, 0.74)], PALE)
    pen.shape([(0.0, 0.0), (0.5, 0.12), (0.5, 0.16), (0.02, 0.06)], pen.dark)
    for v in (0.28, 0.4, 0.52, 0.64):
        pen.stroke([(0.1, v), (0.42, v + 0.07)], STEEL, 0.02)
    pen.shape([(0.02, 0.0), (-0.5, 0.12), (-0.5, 0.88), (0.02, 0.78)], pen.main)
    pen.shape([(-0.1, 0.52), (-0.4, 0.58), (-0.4, 0.7), (-0.1, 0.64)], pen.trim)
    pen.stroke([(0.01, 0.02), (0.01, 0.76)], pen.dark, 0.035)


def umbrella(pen: Pen) -> None:
    """An open umbrella on its stick."""
    pen.stroke([(0.0, 0.1), (0.0, 0.98)], INK, 0.035)
    pen.stroke([(0.0, 0.1), (0.03, 0.03), (0.09, 0.02), (0.13, 0.09)], INK, 0.035)
    canopy = [(-0.5, 0.5), (-0.44, 0.7), (-0.28, 0.86), (0.0, 0.93), (0.28, 0.86), (0.44, 0.7), (0.5, 0.5)]
    hem = [(0.42, 0.55), (0.33, 0.56), (0.25, 0.5), (0.12, 0.56), (0.0, 0.5), (-0.12, 0.56), (-0.25, 0.5), (-0.4, 0.56)]
    pen.shape([*canopy, *hem], pen.main)
    pen.stroke([(0.0, 0.92), (-0.25, 0.5)], pen.dark, 0.018)
    pen.stroke([(0.0, 0.92), (0.25, 0.5)], pen.dark, 0.018)
