"""What stands: houses, halls, towers and the works of engineers."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING

from brush import INK, PALE, STEEL, WOOD, mix

if TYPE_CHECKING:
    from brush import Pen


def house(pen: Pen) -> None:
    """A house with a gable roof, walls in the colour."""
    pen.box(0.2, 0.6, 0.3, 0.92, WOOD)
    pen.box(-0.38, 0.0, 0.38, 0.52, pen.main)
    pen.shape([(-0.48, 0.5), (0.48, 0.5), (0.0, 0.94)], mix(WOOD, INK, 0.4))
    pen.box(-0.09, 0.0, 0.09, 0.3, WOOD)
    for u in (-0.25, 0.25):
        pen.box(u - 0.08, 0.2, u + 0.08, 0.38, pen.glass)


def tower(pen: Pen) -> None:
    """An office tower with rows of windows."""
    pen.stroke([(0.0, 0.9), (0.0, 1.1)], STEEL, 0.02)
    pen.box(-0.2, 0.0, 0.2, 0.92, pen.main)
    pen.box(-0.24, 0.0, 0.24, 0.07, pen.dark)
    for row in range(7):
        low = 0.14 + row * 0.11
        for left in (-0.15, -0.04, 0.07):
            pen.box(left, low, left + 0.08, low + 0.07, pen.glass)


def bridge(pen: Pen) -> None:
    """A suspension bridge, seen from the side."""
    for u in (-0.36, 0.36):
        pen.box(u - 0.05, 0.0, u + 0.05, 0.8, pen.main)
    cable = [(step / 10, 0.34 + 0.44 * (step / 3.6) ** 2) for step in range(-4, 5)]
    pen.stroke([(max(-0.36, min(0.36, u)), min(v, 0.78)) for u, v in cable], pen.main, 0.04)
    for side in (-1, 1):
        pen.stroke([(side * 0.36, 0.78), (side * 0.78, 0.32)], pen.main, 0.04)
    for step in range(-3, 4):
        pen.stroke([(step / 10, 0.3), (step / 10, 0.34 + 0.44 * (step / 3.6) ** 2)], pen.main, 0.018)
    pen.box(-0.8, 0.22, 0.8, 0.32, pen.main)
    pen.box(-0.8, 0.22, 0.8, 0.25, pen.dark)


def turbine(pen: Pen) -> None:
    """A wind turbine of three blades."""
    pen.shape([(-0.06, 0.0), (0.06, 0.0), (0.035, 0.68), (-0.035, 0.68)], pen.main)
    for angle in (80, 200, 320):
        along, across = radians(angle), radians(angle + 90)
        tip = (0.4 * cos(along), 0.68 + 0.4 * sin(along))
        side = (0.1 * cos(across), 0.1 * sin(across))
        root = (0.1 * cos(along), 0.68 + 0.1 * sin(along))
        pen.shape([(0.0, 0.68), (root[0] + side[0], root[1] + side[1]), tip, (root[0], root[1])], pen.main)
    pen.oval(0.0, 0.68, 0.065, 0.065, pen.dark)


def factory(pen: Pen) -> None:
    """A factory: saw-tooth roof, two chimneys, smoke."""
    for u, v, radius in ((0.36, 1.0, 0.08), (0.46, 1.1, 0.1), (0.2, 0.9, 0.06)):
        pen.oval(u, v, radius, radius * 0.8, (206, 204, 206))
    for u, high in ((0.16, 0.84), (0.32, 0.94)):
        pen.box(u - 0.05, 0.3, u + 0.05, high, pen.dark)
        pen.box(u - 0.05, high - 0.12, u + 0.05, high - 0.06, PALE)
    roof = [(-0.52, 0.0), (-0.52, 0.56), (-0.3, 0.38), (-0.3, 0.56), (-0.08, 0.38), (-0.08, 0.56), (0.14, 0.38)]
    pen.shape([*roof, (0.46, 0.38), (0.46, 0.0)], pen.main)
    for left in (-0.44, -0.22, 0.0, 0.22):
        pen.box(left, 0.16, left + 0.14, 0.28, pen.glass)


def stadium(pen: Pen) -> None:
    """A stadium: a bowl with arches, floodlights above."""
    for u in (-0.5, 0.5):
        pen.stroke([(u, 0.3), (u, 0.76)], STEEL, 0.026)
        pen.box(u - 0.09, 0.72, u + 0.09, 0.84, (255, 250, 214))
    pen.oval(0.0, 0.42, 0.62, 0.17, pen.dark)
    pen.oval(0.0, 0.42, 0.46, 0.1, (92, 180, 80))
    pen.shape(
        [(-0.62, 0.42), (-0.52, 0.28), (0.0, 0.22), (0.52, 0.28), (0.62, 0.42), (0.54, 0.0), (-0.54, 0.0)], pen.main
    )
    for u in (-0.36, -0.18, 0.0, 0.18, 0.36):
        pen.box(u - 0.05, 0.0, u + 0.05, 0.13, INK)
        pen.oval(u, 0.13, 0.05, 0.05, INK)


def lighthouse(pen: Pen) -> None:
    """A lighthouse with pale rings, its lamp lit."""
    pen.shape([(-0.17, 0.0), (0.17, 0.0), (0.1, 0.76), (-0.1, 0.76)], pen.main)
    for low, half in ((0.2, 0.145), (0.48, 0.123)):
        pen.shape([(-half, low), (half, low), (half - 0.012, low + 0.12), (-half + 0.012, low + 0.12)], pen.trim)
    pen.box(-0.14, 0.75, 0.14, 0.79, INK)
    pen.box(-0.07, 0.79, 0.07, 0.91, (255, 236, 140))
    pen.shape([(-0.11, 0.91), (0.11, 0.91), (0.0, 1.02)], pen.main)
    pen.box(-0.04, 0.0, 0.04, 0.13, INK)


def hall(pen: Pen) -> None:
    """A public building with columns: the library, the museum, the parliament."""
    pen.box(-0.56, 0.0, 0.56, 0.06, STEEL)
    pen.box(-0.5, 0.06, 0.5, 0.12, PALE)
    pen.box(-0.46, 0.12, 0.46, 0.5, pen.dark)
    pen.box(-0.08, 0.12, 0.08, 0.38, WOOD)
    for u in (-0.41, -0.26, -0.13, 0.13, 0.26, 0.41):
        pen.box(u - 0.035, 0.12, u + 0.035, 0.5, PALE)
    pen.box(-0.52, 0.5, 0.52, 0.58, pen.main)
    pen.shape([(-0.54, 0.58), (0.54, 0.58), (0.0, 0.84)], pen.main)
    pen.oval(0.0, 0.67, 0.06, 0.06, PALE)


def lamp(pen: Pen) -> None:
    """A street lamp with two heads, lit."""
    pen.box(-0.09, 0.0, 0.09, 0.06, pen.main)
    pen.stroke([(0.0, 0.02), (0.0, 0.94)], pen.main, 0.065)
    pen.stroke([(-0.24, 0.8), (-0.18, 0.9), (0.0, 0.92), (0.18, 0.9), (0.24, 0.8)], pen.main, 0.05)
    for u in (-0.24, 0.24):
        pen.oval(u, 0.7, 0.085, 0.085, (255, 238, 150))
        pen.shape([(u - 0.12, 0.74), (u + 0.12, 0.74), (u + 0.05, 0.84), (u - 0.05, 0.84)], pen.main)
