from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from consumer.pictures.renditions import ImageFacts, measure


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
