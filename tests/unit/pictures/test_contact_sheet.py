from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from consumer.jobs import Picture
from consumer.pictures.contact_sheet import contact_sheet

PRODUCER = "The Daily Harbour"
RED, BLUE = (200, 0, 0), (0, 0, 200)


def flat(picture: Callable[..., Picture], colour: tuple[int, int, int]) -> Picture:
    return picture(bytes(colour) * (64 * 64), width=64, height=64)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


def test_pictures_stand_in_reading_order(picture: Callable[..., Picture]) -> None:
    """Three pictures in two columns: red, blue, then red again in the second row."""
    pictures = [("one", flat(picture, RED)), ("two", flat(picture, BLUE)), ("three", flat(picture, RED))]
    sheet = opened(contact_sheet(pictures, columns=2, producer=PRODUCER))
    assert sheet.size == (2 * (64 + 16) + 16, 2 * (64 + 32 + 16) + 16)
    assert [sheet.getpixel(at) for at in [(20, 20), (16 + 80 + 4, 20), (20, 16 + 112 + 4)]] == [RED, BLUE, RED]
    assert sheet.getpixel((16 + 80 + 4, 16 + 112 + 4)) not in {RED, BLUE}


def test_every_picture_has_its_caption(picture: Callable[..., Picture]) -> None:
    """A caption leaves ink under its picture; an empty one leaves none."""
    strip = (16, 16 + 64, 16 + 64, 16 + 64 + 32)
    with_caption = opened(contact_sheet([("oil", flat(picture, RED))], columns=1, producer=PRODUCER)).crop(strip)
    without = opened(contact_sheet([("", flat(picture, RED))], columns=1, producer=PRODUCER)).crop(strip)
    assert len(without.getcolors() or []) == 1
    assert len(with_caption.getcolors() or []) > 1


def test_the_sheet_is_marked_as_ai_generated(picture: Callable[..., Picture]) -> None:
    """A sheet is a picture too: its file carries the mark and the names of all models on it."""
    one, two = picture(model="base"), picture(model="house")
    data = contact_sheet([("a", two), ("b", one)], columns=2, producer=PRODUCER)
    assert b"trainedAlgorithmicMedia" in data
    assert b"base, house" in data
    assert PRODUCER.encode() in data


@pytest.mark.parametrize("columns", [0, -1])
def test_a_sheet_needs_a_column(picture: Callable[..., Picture], columns: int) -> None:
    """No column, no sheet."""
    with pytest.raises(ValueError, match="one column"):
        contact_sheet([("a", picture())], columns, PRODUCER)


def test_a_sheet_needs_a_picture() -> None:
    """No picture, no sheet."""
    with pytest.raises(ValueError, match="one picture"):
        contact_sheet([], 1, PRODUCER)
