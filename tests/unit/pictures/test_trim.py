"""`consumer.pictures.trim`: what was painted larger is cut to the size that was asked for."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consumer.jobs import Focus, Picture
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.trim import trim
from schemas.sizes import painted
from tests.support.samples import recipe_of

SIDE = st.integers(64, 200)


def of_size(width: int, height: int, focus: Focus | None = None) -> Picture:
    """Return what an engine paints for this size; each pixel says in red and green where it is."""
    across, down = painted(width), painted(height)
    trimmed = None if (across, down) == (width, height) else (width, height)
    rows, columns = np.mgrid[0:down, 0:across].astype(np.uint8)
    rgb = np.dstack([columns, rows, np.zeros_like(rows)]).tobytes()
    recipe = recipe_of(width=across, height=down, trimmed=trimmed)
    return Picture(recipe, across, down, rgb, 0.1, focus=focus)


@given(SIDE, SIDE)
def test_a_picture_is_cut_evenly_to_its_size(width: int, height: int) -> None:
    """As much on either side, one pixel more at the right or bottom of an odd number; the rest is as it was painted."""
    before = of_size(width, height)
    after = trim(before)
    left, top = after.rgb[0], after.rgb[1]
    right, bottom = before.width - width - left, before.height - height - top

    assert (after.width, after.height, len(after.rgb)) == (width, height, width * height * 3)
    assert right - left in {0, 1}
    assert bottom - top in {0, 1}
    assert after.rgb[-3:] == bytes([left + width - 1, top + height - 1, 0])


def test_a_picture_of_the_size_it_was_painted_at_is_left_alone() -> None:
    """Nothing is copied."""
    picture = of_size(128, 64)
    assert trim(picture) is picture


@given(SIDE, SIDE, st.floats(0, 1), st.floats(0, 1))
def test_the_focus_stays_on_its_pixel(width: int, height: int, x: float, y: float) -> None:
    """It is told in fractions of what is left, at the edge where it was cut off."""
    before = of_size(width, height, Focus(x, y, 0.2))
    after = trim(before)
    assert after.focus is not None
    left, top = (before.width - width) // 2, (before.height - height) // 2
    assert after.focus.x * width == pytest.approx(min(max(x * before.width - left, 0), width), abs=1e-6)
    assert after.focus.y * height == pytest.approx(min(max(y * before.height - top, 0), height), abs=1e-6)
    assert after.focus.spread * min(width, height) == pytest.approx(0.2 * min(before.width, before.height))


@pytest.mark.parametrize("size", [(120, 63), (120, 67), (192, 108), (128, 64)])
async def test_the_master_has_exactly_the_size(size: tuple[int, int]) -> None:
    """What is stored and announced is what was asked for, to the pixel."""
    with PictureEncoder(threads=1) as encoder:
        master = await encoder.encode(of_size(*size))
    with Image.open(BytesIO(master.data)) as image:
        assert (master.width, master.height) == image.size == size
