"""What moves: boats, cars, trains and everything in the air."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brush import INK, PALE, STEEL, WOOD

if TYPE_CHECKING:
    from brush import Pen


def boat(pen: Pen) -> None:
    """A sailing boat: hull and mainsail in the colour, a pale jib."""
    pen.stroke([(0.0, 0.2), (0.0, 1.0)], WOOD, 0.03)
    pen.shape([(0.03, 0.28), (0.03, 0.98), (0.42, 0.3)], pen.main)
    pen.shape([(-0.03, 0.3), (-0.03, 0.86), (-0.32, 0.3)], PALE)
    pen.shape([(-0.5, 0.22), (0.54, 0.22), (0.38, 0.0), (-0.34, 0.0)], pen.main)
    pen.shape([(-0.5, 0.22), (0.54, 0.22), (0.51, 0.17), (-0.47, 0.17)], pen.trim)


def car(pen: Pen) -> None:
    """A car from the side."""
    pen.shape([(-0.3, 0.3), (-0.2, 0.52), (0.14, 0.52), (0.3, 0.3)], pen.main)
    pen.shape([(-0.22, 0.32), (-0.15, 0.46), (-0.04, 0.46), (-0.04, 0.32)], pen.glass)
    pen.shape([(0.01, 0.32), (0.01, 0.46), (0.11, 0.46), (0.21, 0.32)], pen.glass)
    pen.shape([(-0.54, 0.1), (-0.55, 0.28), (-0.3, 0.33), (0.3, 0.33), (0.52, 0.26), (0.56, 0.1)], pen.main)
    pen.box(-0.54, 0.1, 0.56, 0.15, pen.dark)
    for u in (-0.3, 0.32):
        pen.oval(u, 0.11, 0.12, 0.12, INK)
        pen.oval(u, 0.11, 0.055, 0.055, STEEL)
    pen.oval(0.52, 0.23, 0.03, 0.03, (255, 244, 190))


def train(pen: Pen) -> None:
    """A fast train: a pointed engine and a wagon, windows in a band."""
    pen.box(-0.72, 0.0, 0.74, 0.04, STEEL)
    pen.box(-0.72, 0.09, -0.14, 0.42, pen.main)
    pen.shape([(-0.11, 0.09), (-0.11, 0.42), (0.34, 0.42), (0.58, 0.28), (0.7, 0.09)], pen.main)
    for left in (-0.68, -0.54, -0.4, -0.26, -0.06, 0.08):
        pen.box(left, 0.25, left + 0.1, 0.36, pen.glass)
    pen.shape([(0.3, 0.26), (0.3, 0.37), (0.36, 0.37), (0.5, 0.26)], pen.glass)
    pen.box(-0.72, 0.13, 0.66, 0.17, pen.trim)
    for u in (-0.6, -0.28, 0.04, 0.4):
        pen.oval(u, 0.07, 0.06, 0.06, INK)


def tram(pen: Pen) -> None:
    """A tram: a tall box with big windows, its pole up to the wire."""
    pen.stroke([(-0.75, 0.92), (0.75, 0.92)], INK, 0.014)
    pen.stroke([(-0.14, 0.66), (0.02, 0.78), (-0.12, 0.91)], INK, 0.024)
    pen.box(-0.6, 0.0, 0.6, 0.03, STEEL)
    pen.shape([(-0.5, 0.1), (-0.5, 0.6), (-0.44, 0.66), (0.44, 0.66), (0.5, 0.6), (0.5, 0.1)], pen.main)
    for left in (-0.44, -0.2, 0.04, 0.27):
        pen.box(left, 0.33, left + 0.17, 0.56, pen.glass)
    pen.box(-0.5, 0.24, 0.5, 0.29, pen.trim)
    for u in (-0.28, 0.28):
        pen.oval(u, 0.08, 0.07, 0.07, INK)
    pen.oval(0.46, 0.18, 0.03, 0.03, (255, 244, 190))


def bicycle(pen: Pen) -> None:
    """A bicycle with its frame in the colour."""
    for u in (-0.33, 0.33):
        pen.ring(u, 0.24, 0.24, 0.05, INK)
        pen.ring(u, 0.24, 0.05, 0.03, STEEL)
    frame = [(-0.33, 0.24), (-0.14, 0.56), (0.2, 0.56), (0.0, 0.22), (-0.33, 0.24)]
    pen.stroke(frame, pen.main, 0.1)
    pen.stroke([(0.0, 0.22), (-0.17, 0.64)], pen.main, 0.1)
    pen.stroke([(0.33, 0.24), (0.19, 0.68)], pen.main, 0.1)
    pen.stroke([(-0.26, 0.66), (-0.08, 0.66)], INK, 0.055)
    pen.stroke([(0.19, 0.68), (0.3, 0.74)], INK, 0.04)
    pen.oval(0.0, 0.22, 0.045, 0.045, STEEL)


def plane(pen: Pen) -> None:
    """An airliner on the climb."""
    pen.shape([(-0.06, 0.5), (0.1, 0.5), (-0.12, 0.86), (-0.22, 0.86)], pen.dark)
    pen.shape([(-0.5, 0.46), (-0.62, 0.74), (-0.5, 0.74), (-0.32, 0.5)], pen.main)
    pen.shape([(-0.6, 0.4), (-0.5, 0.5), (0.36, 0.56), (0.54, 0.5), (0.6, 0.42), (0.5, 0.36), (-0.42, 0.34)], pen.main)
    for step in range(6):
        pen.oval(-0.3 + step * 0.12, 0.465, 0.024, 0.024, pen.glass)
    pen.shape([(0.42, 0.5), (0.53, 0.49), (0.5, 0.44), (0.42, 0.45)], pen.glass)
    pen.shape([(-0.1, 0.4), (0.12, 0.42), (-0.16, 0.06), (-0.28, 0.06)], pen.dark)


def balloon(pen: Pen) -> None:
    """A hot-air balloon with one pale stripe and a basket."""
    pen.stroke([(-0.24, 0.42), (-0.08, 0.16)], INK, 0.016)
    pen.stroke([(0.24, 0.42), (0.08, 0.16)], INK, 0.016)
    pen.shape([(-0.35, 0.5), (0.35, 0.5), (0.1, 0.26), (-0.1, 0.26)], pen.main)
    pen.oval(0.0, 0.64, 0.38, 0.36, pen.main)
    pen.oval(0.0, 0.64, 0.13, 0.36, pen.trim)
    pen.oval(0.0, 0.64, 0.055, 0.36, pen.main)
    pen.box(-0.09, 0.02, 0.09, 0.16, WOOD)


def rocket(pen: Pen) -> None:
    """A rocket with its flame."""
    pen.shape([(-0.09, 0.2), (0.09, 0.2), (0.0, -0.04)], (255, 176, 46))
    pen.shape([(-0.05, 0.2), (0.05, 0.2), (0.0, 0.06)], (255, 240, 170))
    for side in (-1, 1):
        pen.shape([(side * 0.12, 0.46), (side * 0.28, 0.16), (side * 0.1, 0.24)], pen.dark)
    pen.shape([(-0.13, 0.2), (-0.15, 0.6), (0.0, 1.02), (0.15, 0.6), (0.13, 0.2)], pen.main)
    pen.oval(0.0, 0.62, 0.08, 0.08, pen.trim)
    pen.oval(0.0, 0.62, 0.05, 0.05, pen.glass)
