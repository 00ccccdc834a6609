from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from consumer.pictures.decoding import ImageFacts, as_srgb, decode, measure


def _png(width: int, height: int) -> bytes:
    buffer = BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_has_its_type_and_size() -> None:
    """The facts are those that the decoder finds."""
    assert measure(_png(48, 32)) == ImageFacts("image/png", 48, 32)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", _png(64, 64)[:-40], _png(64, 64)[:20]])
def test_anything_else_is_refused(data: bytes) -> None:
    """Bytes that are not a picture, or only its beginning, raise ValueError."""
    with pytest.raises(ValueError, match="not a picture"):
        measure(data)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "AVIF"])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_damaged_file_is_a_picture_or_a_value_error(file_format: str, place: float, value: int) -> None:
    """Whatever byte is wrong, no other error of Pillow's gets out."""
    buffer = BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, file_format)
    data = bytearray(buffer.getvalue())
    data[int(place * len(data))] ^= value
    with suppress(ValueError):
        decode(bytes(data))


def test_a_photograph_is_turned_upright() -> None:
    """Cameras store pictures as the sensor lay, and say so in Exif, which renditions do not have."""
    exif, buffer = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    upright = as_srgb(decode(buffer.getvalue()))
    assert (upright.size, upright.info) == ((20, 40), {})


def test_a_colour_profile_becomes_srgb() -> None:
    """Renditions carry no profile, so their numbers have to be those of sRGB."""
    buffer = BytesIO()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 8), (10, 200, 30)).save(buffer, "PNG", icc_profile=profile)
    assert as_srgb(decode(buffer.getvalue())).getpixel((0, 0)) == (10, 200, 30)
    for wrong in (b"no profile", lab.tobytes()):
        Image.new("RGB", (8, 8)).save(broken := BytesIO(), "PNG", icc_profile=wrong)
        with pytest.raises(ValueError, match="its colour profile cannot be used"):
            as_srgb(decode(broken.getvalue()))


@pytest.mark.parametrize("mode", ["P", "L", "LA", "1", "RGBA", "CMYK"])
def test_a_colour_profile_fits_whatever_holds_the_colours(mode: str) -> None:
    """Programs give palettes and greys the profile of the photograph that they were made of."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file_format = "JPEG" if mode == "CMYK" else "PNG"
    Image.new("RGB", (8, 8), "white").convert(mode).save(buffer := BytesIO(), file_format, icc_profile=profile)
    assert as_srgb(decode(buffer.getvalue())).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(("level", "shown"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
def test_grey_of_16_bits_keeps_its_levels(level: int, shown: int) -> None:
    """Pillow alone clips everything above 255 to white."""
    Image.new("I;16", (8, 8), level).save(buffer := BytesIO(), "PNG")
    assert as_srgb(decode(buffer.getvalue())).getpixel((0, 0)) == (shown, shown, shown)


def test_only_four_formats_are_read() -> None:
    """Pillow reads many more, some with other programs' help; nobody stores those here."""
    Image.new("RGB", (8, 8)).save(buffer := BytesIO(), "TIFF")
    with pytest.raises(ValueError, match="not a picture: neither PNG nor JPEG, WebP or AVIF"):
        decode(buffer.getvalue())
