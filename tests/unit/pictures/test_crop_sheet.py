from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from consumer.errors import Rejected
from consumer.jobs import Picture
from consumer.pictures.crop_sheet import crop_sheet
from consumer.pictures.marks import KEYWORD
from consumer.pictures.master import encode
from consumer.renditions import CENTRE, Crop, Encoding, FocalPoint, RenditionFormat, RenditionOrder, RenditionSet
from schemas.pictures import FocalSource

PRODUCER = "The Daily Harbour"
WEBP = (Encoding(RenditionFormat.WEBP, 75, 75),)
HERO, THUMB = RenditionSet("hero", (16, 9), (640,), WEBP), RenditionSet("thumb", None, (320,), WEBP)


def white(width: int = 400, height: int = 400) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return buffer.getvalue()


def drawn(master: bytes, order: RenditionOrder) -> Image.Image:
    return Image.open(BytesIO(crop_sheet(master, order, PRODUCER)))


def grey(sheet: Image.Image, x: int, y: int) -> object:
    return sheet.convert("L").getpixel((20 + x, 20 + y))


def test_the_crop_is_bright_and_the_rest_dimmed() -> None:
    """A 16:9 crop in the middle of a square is a band, with darkness above and below."""
    sheet = drawn(white(), RenditionOrder((HERO, THUMB), CENTRE))
    assert sheet.size == (2 * (360 + 20) + 20, 360 + 72 + 2 * 20)
    assert [grey(sheet, 90, y) for y in (40, 100, 260, 320)] == [89, 255, 255, 89]
    assert [grey(sheet, 380 + 90, y) for y in (40, 320)] == [255, 255]


def test_the_focal_point_is_marked_where_it_is() -> None:
    """A ring round the point, and the crop moves with it."""
    low = FocalPoint(0.25, 0.9, FocalSource.EDITOR)
    sheet = drawn(white(), RenditionOrder((HERO,), low))
    assert grey(sheet, 180, 40) == grey(sheet, 180, 140) == 89
    assert grey(sheet, 180, 300) == 255
    assert grey(sheet, 90, 324) not in {89, 255}


def test_an_explicit_crop_is_the_one_that_is_drawn() -> None:
    """What the editor chose, not what the focal point would give."""
    sheet = drawn(white(), RenditionOrder((HERO,), CENTRE, {"hero": Crop(0, 0, 160, 90)}))
    assert [grey(sheet, 100, y) for y in (40, 180)] == [255, 89]


@pytest.mark.parametrize(("width", "height"), [(20_000, 1), (1, 20_000), (1, 1)])
def test_a_picture_too_thin_to_show_is_shown_as_a_line(width: int, height: int) -> None:
    """Scaled to the sheet it would have no pixel left, and neither would its crops."""
    sheet = drawn(white(width, height), RenditionOrder((HERO, THUMB), CENTRE))
    assert min(sheet.size) > 72


def test_a_sheet_carries_the_marks_of_its_picture(picture: Callable[..., Picture]) -> None:
    """It is a picture of an AI-made picture."""
    master = encode(picture(), PRODUCER).data
    assert drawn(master, RenditionOrder((HERO,), CENTRE)).info[KEYWORD] == Image.open(BytesIO(master)).info[KEYWORD]


@pytest.mark.parametrize("size", [(64, 2048), (2048, 64), (1200, 630), (1, 1)])
def test_any_picture_has_a_sheet(size: tuple[int, int]) -> None:
    """Narrow ones too."""
    assert drawn(white(*size), RenditionOrder((HERO, THUMB), FocalPoint(1, 0, FocalSource.EDITOR))).width > 360


def test_what_cannot_be_drawn_is_said() -> None:
    """No sets, no picture, a crop that does not fit."""
    with pytest.raises(ValueError, match="there are no rendition sets to show"):
        crop_sheet(white(), RenditionOrder((), CENTRE), PRODUCER)
    with pytest.raises(ValueError, match="not a picture"):
        crop_sheet(b"", RenditionOrder((HERO,), CENTRE), PRODUCER)
    with pytest.raises(Rejected, match="not inside the picture"):
        crop_sheet(white(), RenditionOrder((HERO,), CENTRE, {"hero": Crop(399, 0, 16, 9)}), PRODUCER)
