from __future__ import annotations

import base64
import random

import pytest
from PIL import Image

from consumer.pictures.placeholder import dominant_colour, thumbhash


def clouds(width: int, height: int) -> Image.Image:
    noise = Image.frombytes("RGB", (width, height), random.Random(width * height).randbytes(width * height * 3))
    shapes = [Image.linear_gradient("L"), Image.radial_gradient("L")]
    shapes.append(shapes[0].resize((width, height)).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return Image.blend(noise, Image.merge("RGB", [shape.resize((width, height)) for shape in shapes]), 0.5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((48, 27), "IPgJHIynh4iAiIeJd4fIf4sESA=="),
        ((27, 48), "IPgJHAyYB3eXd3eHd3e3f3sERw=="),
        ((32, 32), "IPgJJw6YiIiAiHd5d3d3h4h3ePvHR4AE"),
        ((100, 16), "IPgJGYyYiHeAd5h4t4+LBEg="),
    ],
)
def test_a_thumbhash_is_that_of_the_published_encoder(size: tuple[int, int], expected: str) -> None:
    """Browsers decode it with thumbhash's own code: these values are those of its Python port, 0.1.2."""
    assert thumbhash(clouds(*size)) == expected


@pytest.mark.parametrize("size", [(64, 64), (2048, 64), (1200, 630), (333, 777)])
def test_a_thumbhash_is_small_whatever_the_picture(size: tuple[int, int]) -> None:
    """At most 25 bytes, of any size, and the same every time."""
    picture = clouds(*size)
    assert len(base64.b64decode(thumbhash(picture))) <= 25
    assert thumbhash(picture) == thumbhash(picture.copy())


def test_a_picture_of_one_colour_has_no_waves() -> None:
    """Rounding errors of a processor are not painted as if they were a picture."""
    assert base64.b64decode(thumbhash(Image.new("RGB", (64, 48), "#7f7f7f")))[5:] == bytes(16)


def test_the_dominant_colour_is_the_most_common_one() -> None:
    """Two thirds of sea beside a third of sand: the sea."""
    picture = Image.new("RGB", (90, 60), "#1a3c5e")
    picture.paste("#e0c090", (60, 0, 90, 60))
    assert dominant_colour(picture) == "#1a3c5e"
    assert dominant_colour(picture.rotate(180)) == "#1a3c5e"
