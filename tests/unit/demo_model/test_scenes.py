from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from consumer.processing.styles import load_styles
from scenes import ATTRIBUTES, CHOICES, Scene, draw, random_scene, subject_box

SCENE = Scene("boat", "red", "sea", "clear", "day", "default", "large", "centre", seed=7)


def distance(first: Scene, second: Scene) -> float:
    """Return the mean difference of two drawn scenes, in levels of 255."""
    one, other = (np.asarray(draw(scene, 64, 64)).astype(np.float32) for scene in (first, second))
    return float(np.abs(one - other).mean())


def test_the_world_is_as_large_as_promised() -> None:
    """There are at least 24 subjects, 10 colours, 8 grounds, 5 weathers, 4 times of day, 2 sizes and 3 places."""
    counts = [len(CHOICES[name]) for name in ("subject", "colour", "ground", "weather", "time", "size", "place")]

    assert all(count >= least for count, least in zip(counts, (24, 10, 8, 5, 4, 2, 3), strict=True))


def test_every_style_of_the_house_has_a_look() -> None:
    """The world's styles are those of the file that ships, in its order."""
    assert CHOICES["style"] == tuple(load_styles().presets)


def test_drawing_is_deterministic() -> None:
    """A scene drawn twice gives the same pixels."""
    assert draw(SCENE, 64, 48).tobytes() == draw(SCENE, 64, 48).tobytes()


def test_another_seed_draws_another_picture() -> None:
    """What no caption tells is decided by the seed."""
    assert distance(SCENE, replace(SCENE, seed=8)) > 0


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_shows(name: str) -> None:
    """Two values of one attribute never give the same picture."""
    scenes = [Scene(**{**asdict(SCENE), name: value}) for value in CHOICES[name]]

    assert all(distance(first, second) > 0.5 for first, second in pairwise(scenes))


@pytest.mark.parametrize("weather", CHOICES["weather"])
def test_styles_differ_boldly(weather: str) -> None:
    """Any two styles of one scene lie at least five levels apart, in every weather."""
    scenes = [replace(SCENE, style=style, weather=weather) for style in CHOICES["style"]]

    assert all(distance(first, second) > 5 for first in scenes for second in scenes if first is not second)


@pytest.mark.parametrize("subject", CHOICES["subject"])
def test_subjects_can_be_drawn_at_every_shape(subject: str) -> None:
    """Each subject fits into wide, tall and square pictures."""
    scene = replace(SCENE, subject=subject)

    assert [draw(scene, width, height).size for width, height in ((96, 48), (48, 96))] == [(96, 48), (48, 96)]


@pytest.mark.parametrize("place", CHOICES["place"])
@pytest.mark.parametrize("subject", CHOICES["subject"])
def test_a_subject_fills_its_box(subject: str, place: str) -> None:
    """What another colour of the subject changes lies, but for outlines and light, in the box that is told."""
    one = replace(SCENE, subject=subject, place=place, ground="meadow")
    drawn = [np.asarray(draw(replace(one, colour=colour), 128, 128)).astype(int) for colour in ("red", "blue")]
    left, top, right, lower = subject_box(one, 128, 128)
    rows, columns = np.nonzero(np.abs(drawn[0] - drawn[1]).max(axis=2) > 40)
    assert columns.min() >= left - 5
    assert columns.max() <= right + 5
    assert rows.min() >= top - 5
    assert rows.max() <= lower + 5
    assert (right - left) * (lower - top) < 128 * 128 / 2


def test_training_never_sees_what_is_held_out() -> None:
    """Scenes of the training world and held-out scenes share no combination of subject, colour and ground."""
    rng = Random(0)
    combinations = [
        {
            (scene.subject, scene.colour, scene.ground)
            for scene in (random_scene(rng, held_out=held) for _ in range(400))
        }
        for held in (False, True)
    ]

    assert not combinations[0] & combinations[1]
