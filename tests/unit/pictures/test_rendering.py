from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, ImageStat

from consumer.errors import Rejected
from consumer.jobs import Picture
from consumer.pictures.marks import KEYWORD
from consumer.pictures.master import encode
from consumer.pictures.rendering import NotWanted, render
from consumer.renditions import (
    CENTRE,
    Crop,
    EncodedRenditions,
    Encoding,
    FocalPoint,
    Rendition,
    RenditionFormat,
    RenditionOrder,
    RenditionSet,
    TooWide,
)
from schemas.pictures import FocalSource

PRODUCER = "The Daily Harbour"
AVIF, WEBP, JPEG = (Encoding(each, 70, 40) for each in RenditionFormat)
HERO = RenditionSet("hero", (16, 9), (64, 96, 192), (AVIF, WEBP))
SQUARE = RenditionSet("square", (1, 1), (720,), (JPEG,))
THUMB = RenditionSet("thumb", None, (32,), (WEBP,))
ORDER = RenditionOrder((HERO, SQUARE, THUMB), CENTRE)


def made(master: bytes, order: RenditionOrder = ORDER) -> EncodedRenditions:
    return render(master, order, PRODUCER)


def pixels(rendition: Rendition) -> Image.Image:
    image = Image.open(BytesIO(rendition.data))
    image.load()
    return image


def colour(rendition: Rendition) -> list[float]:
    return ImageStat.Stat(pixels(rendition)).mean


def split(width: int, height: int) -> bytes:
    """Return a picture whose left half is red and whose right half is blue, as a PNG."""
    image = Image.new("RGB", (width, height), (200, 0, 0))
    image.paste((0, 0, 200), (width // 2, 0, width, height))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_an_order_gets_every_file_that_fits(picture: Callable[..., Picture]) -> None:
    """Widths in every encoding, in the order of the sets; what is wider than the crop is listed with the largest."""
    result = made(encode(picture(width=128, height=80), PRODUCER).data)
    assert [(each.name, each.media_type, each.width, each.height) for each in result.renditions] == [
        ("hero-64", "image/avif", 64, 36),
        ("hero-64", "image/webp", 64, 36),
        ("hero-96", "image/avif", 96, 54),
        ("hero-96", "image/webp", 96, 54),
        ("square-80", "image/jpeg", 80, 80),
        ("thumb-32", "image/webp", 32, 20),
    ]
    assert result.missing == (TooWide("hero-192", "hero", 192, 96), TooWide("square-720", "square", 720, 80))
    assert {each.set: each.crop for each in result.renditions} == {
        "hero": Crop(0, 4, 128, 72),
        "square": Crop(24, 0, 80, 80),
        "thumb": Crop(0, 0, 128, 80),
    }
    for each in result.renditions:
        image = pixels(each)
        assert (Image.MIME[image.format or ""], image.size) == (each.media_type, (each.width, each.height))


def test_the_same_order_gives_the_same_bytes(picture: Callable[..., Picture]) -> None:
    """Two workers make the same objects."""
    master = encode(picture(width=128, height=80), PRODUCER).data
    assert made(master) == made(master)


def test_every_file_carries_the_masters_marks(picture: Callable[..., Picture]) -> None:
    """Of the master's metadata, its XMP is in each rendition, unchanged, and nothing else."""
    master = encode(picture(width=128, height=80), "Its painter").data
    xmp = Image.open(BytesIO(master)).info[KEYWORD]
    for each in made(master).renditions:
        assert pixels(each).info["xmp"].decode() == xmp
        assert not {"exif", "icc_profile", "srgb"} & set(pixels(each).info)


def test_crops_show_what_they_say() -> None:
    """Pixels are those of the crop: round the focal point, or the explicit one."""
    left = RenditionOrder((SQUARE,), FocalPoint(0.1, 0.5, FocalSource.EDITOR))
    right = RenditionOrder((SQUARE,), CENTRE, {"square": Crop(130, 10, 60, 60)})
    (first,) = made(split(200, 100), left).renditions
    (chosen,) = made(split(200, 100), right).renditions
    assert colour(first)[0] > 2 * colour(first)[2]
    assert (chosen.crop, chosen.width, chosen.height) == (Crop(130, 10, 60, 60), 60, 60)
    assert colour(chosen)[2] > 2 * colour(chosen)[0]


@pytest.mark.parametrize(
    ("crops", "field", "sentence"),
    [
        ({"sqare": Crop(0, 0, 9, 9)}, "crops.sqare", "There is no rendition set 'sqare' here: use one of hero, square"),
        ({"square": Crop(0, 0, 99, 101)}, "crops.square", "is not inside the picture, which is 200x100 pixels"),
        ({"hero": Crop(0, 0, 99, 99)}, "crops.hero", "is not 16:9: 99x56 would be"),
    ],
)
def test_a_wrong_crop_is_rejected(crops: dict[str, Crop], field: str, sentence: str) -> None:
    """Before anything is encoded, with the field that is wrong."""
    with pytest.raises(Rejected, match=sentence) as rejected:
        made(split(200, 100), RenditionOrder((HERO, SQUARE, THUMB), CENTRE, crops))
    assert rejected.value.field == field


def test_a_broken_master_is_a_value_error() -> None:
    """The caller paints it anew."""
    with pytest.raises(ValueError, match="not a picture"):
        made(split(64, 64)[:-30])


def test_a_master_with_too_much_metadata_says_so() -> None:
    """A file from elsewhere whose XMP no JPEG can carry is refused in a sentence."""
    buffer = BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "WEBP", xmp=b"x" * 70_000)
    with pytest.raises(ValueError, match="its XMP is 70000 bytes"):
        made(buffer.getvalue())


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_any_mode_of_pixels_becomes_rgb(mode: str) -> None:
    """A file from elsewhere may be grey, transparent or for print."""
    buffer = BytesIO()
    Image.radial_gradient("L").resize((64, 64)).convert(mode).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert len(made(buffer.getvalue()).renditions) == 4


def test_nothing_more_is_encoded_once_nobody_waits() -> None:
    """The question is asked before each file."""
    answers = iter([True, True, False])
    with pytest.raises(NotWanted):
        render(split(200, 100), ORDER, PRODUCER, lambda: next(answers))


@pytest.mark.parametrize("size", [(64, 64), (1200, 630), (65, 2048), (2048, 67)])
def test_any_master_has_every_set(size: tuple[int, int]) -> None:
    """Small, odd or narrow masters give a file of each set."""
    extreme = RenditionSet("banner", (10, 1), (5000,), (AVIF, WEBP, JPEG))
    result = made(split(*size), RenditionOrder((extreme, SQUARE, THUMB), CENTRE))
    assert {each.set for each in result.renditions} == {"banner", "square", "thumb"}
