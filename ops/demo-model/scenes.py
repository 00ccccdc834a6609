"""The demo model's world: what a scene is made of, which scenes there are, and how one is drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

from PIL import Image, ImageDraw, ImageFilter

import buildings
import living
import vehicles
from brush import PAINTS, Pen, mix
from grounds import GROUNDS, Land
from rendering import LOOKS
from skies import HOURS, fall, paint_sky, veil

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECTS: dict[str, tuple[Callable[[Pen], None], float]] = {
    "boat": (vehicles.boat, 1.0),
    "car": (vehicles.car, 1.0),
    "train": (vehicles.train, 0.86),
    "tram": (vehicles.tram, 0.9),
    "bicycle": (vehicles.bicycle, 1.05),
    "plane": (vehicles.plane, 1.0),
    "balloon": (vehicles.balloon, 0.95),
    "rocket": (vehicles.rocket, 1.0),
    "house": (buildings.house, 0.95),
    "tower": (buildings.tower, 1.0),
    "bridge": (buildings.bridge, 0.82),
    "turbine": (buildings.turbine, 1.05),
    "factory": (buildings.factory, 0.95),
    "stadium": (buildings.stadium, 0.9),
    "lighthouse": (buildings.lighthouse, 1.0),
    "hall": (buildings.hall, 1.0),
    "lamp": (buildings.lamp, 1.0),
    "tree": (living.tree, 1.0),
    "flower": (living.flower, 1.0),
    "plant": (living.plant, 1.0),
    "bird": (living.bird, 0.95),
    "dog": (living.dog, 1.0),
    "person": (living.person, 1.0),
    "robot": (living.robot, 0.95),
    "book": (living.book, 0.95),
    "umbrella": (living.umbrella, 1.05),
}
"""Each subject's painter and its usual size among the others."""

CHOICES: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(PAINTS),
    "ground": tuple(GROUNDS),
    "weather": ("clear", "cloudy", "rain", "storm", "fog"),
    "time": tuple(HOURS),
    "style": tuple(LOOKS),
    "size": ("small", "large"),
    "place": ("left", "centre", "right"),
}
"""The values of every attribute of a scene."""

_FLYING = {"plane", "balloon", "bird", "rocket"}
_SIZES = {"small": 0.4, "large": 0.62}
_PLACES = {"left": 0.29, "centre": 0.5, "right": 0.71}
_FLIGHT = {"small": 0.5, "large": 0.65}
_OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture's content; `seed` decides what no caption tells."""

    subject: str
    colour: str
    ground: str
    weather: str
    time: str
    style: str
    size: str
    place: str
    seed: int = 0

    @property
    def held_out(self) -> bool:
        """Whether this subject, in this colour, on this ground, is kept from training: one combination in ten is."""
        return crc32(f"{self.subject} {self.colour} {self.ground}".encode()) % 10 == 0


ATTRIBUTES = tuple(field.name for field in fields(Scene) if field.name != "seed")
"""What a caption can tell of a scene."""


def random_scene(rng: Random, *, held_out: bool = False) -> Scene:
    """Return a scene of the training world, or of the combinations that are kept from it."""
    while True:
        scene = Scene(**{name: rng.choice(CHOICES[name]) for name in ATTRIBUTES}, seed=rng.getrandbits(32))
        if scene.held_out is held_out:
            return scene


def draw(scene: Scene, width: int, height: int) -> Image.Image:
    """Return the scene as an RGB picture; the same scene and size give the same pixels."""
    rng = Random(scene.seed)
    size = (width * _OVERSAMPLING, height * _OVERSAMPLING)
    look = LOOKS[scene.style]
    picture = paint_sky(size, scene.time, scene.weather, rng, flat=look.flat)
    GROUNDS[scene.ground](Land(picture, scene.time, rng))
    veil(picture, scene.time, scene.weather, 1.0)
    picture = look.backdrop(picture)
    _place_subject(picture, scene, rng)
    veil(picture, scene.time, scene.weather, 0.2)
    fall(picture, scene.time, scene.weather, rng)
    return look.finish(picture, rng).resize((width, height), Image.Resampling.BOX)


def subject_frame(scene: Scene, width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, right and lower edge, in pixels, of where the subject of a picture of that size usually is."""
    size = min(width, height) * SUBJECTS[scene.subject][1] * _SIZES[scene.size]
    foot = _foot(scene) * height
    across = _PLACES[scene.place] * width
    return across - 0.55 * size, foot - size, across + 0.55 * size, foot


def subject_box(scene: Scene, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and lower edge, in whole pixels, of the subject drawn where it usually is, both ways."""
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    painter, scale = SUBJECTS[scene.subject]
    for facing in (-1, 1):
        painter(
            Pen(
                sheet=ImageDraw.Draw(layer),
                x=_PLACES[scene.place] * width,
                y=_foot(scene) * height,
                size=min(width, height) * scale * _SIZES[scene.size],
                facing=facing,
                main=PAINTS[scene.colour],
                glass=HOURS[scene.time].glass,
                line=0,
            )
        )
    return layer.getbbox() or (0, 0, width, height)


def _foot(scene: Scene) -> float:
    """Return how far down the picture the subject usually stands or flies, from 0 to 1."""
    return _FLIGHT[scene.size] if scene.subject in _FLYING else 0.83


def _place_subject(picture: Image.Image, scene: Scene, rng: Random) -> None:
    width, height = picture.size
    unit = min(width, height)
    painter, scale = SUBJECTS[scene.subject]
    size = unit * scale * _SIZES[scene.size] * rng.uniform(0.96, 1.04)
    across = _PLACES[scene.place] + rng.uniform(-0.02, 0.02)
    foot = _foot(scene) + rng.uniform(-0.02, 0.02)
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    x, y = across * width, foot * height
    look = LOOKS[scene.style]
    pen = Pen(
        sheet=ImageDraw.Draw(layer),
        x=x,
        y=y,
        size=size,
        facing=rng.choice((-1, 1)),
        main=PAINTS[scene.colour],
        glass=HOURS[scene.time].glass,
        line=round(look.outline * unit),
    )
    painter(pen)
    if scene.subject not in _FLYING:
        _cast_shadow(picture, x, y, size, scene)
    lit = _lit(look.shade(layer), scene.time)
    picture.paste(lit, (0, 0), lit.getchannel("A"))


def _lit(layer: Image.Image, time: str) -> Image.Image:
    """Return the subject in the hour's light, which changes it less than the ground: its colour stays plain."""
    hour = HOURS[time]
    colours = layer.convert("RGB")
    tinted = Image.blend(colours, Image.new("RGB", layer.size, mix(hour.light, (90, 90, 110), 0.2)), hour.share * 0.42)
    tinted.putalpha(layer.getchannel("A"))
    return tinted


def _cast_shadow(picture: Image.Image, x: float, y: float, size: float, scene: Scene) -> None:
    wide, tall = size * 0.52, size * 0.07
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).ellipse((x - wide, y - tall, x + wide, y + tall), fill=120)
    if scene.style != "illustration":
        mask = mask.filter(ImageFilter.GaussianBlur(size * 0.035))
    picture.paste((14, 18, 36), (0, 0), mask)
