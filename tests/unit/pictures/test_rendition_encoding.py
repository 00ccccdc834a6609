from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from consumer.pictures import rendition_encoding
from consumer.pictures.rendition_encoding import encode_to_fit, unwritable
from consumer.renditions import Encoding, RenditionFormat

FORMATS = list(RenditionFormat)
PICTURE = Image.merge(
    "RGB",
    [Image.effect_mandelbrot((160, 90), (-3, -2.5, 2, 2.5), 100), *[Image.radial_gradient("L").resize((160, 90))] * 2],
)


def reopened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_is_of_its_format_and_size(file_format: RenditionFormat) -> None:
    """What is read back is the format asked for, with the same pixels to the eye, without Exif or a colour profile."""
    image = reopened(encode_to_fit(PICTURE, Encoding(file_format, 90, 90), None, b"<xmp/>"))
    assert (Image.MIME[image.format or ""], image.size, image.mode) == (file_format.media_type, (160, 90), "RGB")
    assert image.info["xmp"] == b"<xmp/>"
    assert not {"exif", "icc_profile", "comment"} & set(image.info)
    far = [abs(a - b) for a, b in zip(image.tobytes(), PICTURE.tobytes(), strict=True)]
    assert sum(far) / len(far) < 8


@pytest.mark.parametrize("file_format", FORMATS)
def test_two_encodes_are_equal_to_the_byte(file_format: RenditionFormat) -> None:
    """Objects are named by their bytes, so the same pixels are one object."""
    encoding = Encoding(file_format, 70, 30)
    assert encode_to_fit(PICTURE, encoding, 3000, b"") == encode_to_fit(PICTURE.copy(), encoding, 3000, b"")


def test_a_jpeg_is_progressive() -> None:
    """It shows the whole picture, coarse, before all of it is there."""
    assert reopened(encode_to_fit(PICTURE, Encoding(RenditionFormat.JPEG, 80, 80), None, b"")).info["progressive"]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("largest", range(1500, 7000, 500))
def test_quality_falls_until_the_file_fits(file_format: RenditionFormat, largest: int) -> None:
    """The file is the best of the steps of five that fit, or that of the lowest quality."""
    steps = [*range(90, 31, -5), 33]
    files = [encode_to_fit(PICTURE, Encoding(file_format, quality, quality), None, b"") for quality in steps]
    best = next((data for data in files if len(data) <= largest), files[-1])
    assert encode_to_fit(PICTURE, Encoding(file_format, 90, 33), largest, b"") == best


@pytest.mark.parametrize("largest", [None, 1, 10_000, *range(1000, 6000, 250)])
def test_few_encodes_find_the_quality(largest: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One encode where the first fits, at most four for a fall of 35, and none twice."""
    tried: list[int] = []
    encode = rendition_encoding._encode

    def counted(image: Image.Image, file_format: RenditionFormat, quality: int, xmp: bytes) -> bytes:
        tried.append(quality)
        return encode(image, file_format, quality, xmp)

    monkeypatch.setattr(rendition_encoding, "_encode", counted)
    data = encode_to_fit(PICTURE, Encoding(RenditionFormat.WEBP, 75, 40), largest, b"")
    assert len(tried) == len(set(tried)) <= 4
    assert tried[0] == 75
    if largest is None or len(data) <= largest == 10_000:
        assert tried == [75]


def test_marks_count_into_the_size() -> None:
    """What has to fit is the file, marks included."""
    encoding = Encoding(RenditionFormat.WEBP, 90, 10)
    limit = len(encode_to_fit(PICTURE, encoding, None, b""))
    assert len(encode_to_fit(PICTURE, encoding, limit, b"x" * 500)) <= limit


def test_the_pillow_that_we_install_writes_every_format() -> None:
    """Its wheels have all three encoders."""
    assert unwritable(RenditionFormat) == []
