from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consumer.pictures.decoding import ImageFacts, decode, measure


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
