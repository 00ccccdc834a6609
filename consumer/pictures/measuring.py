"""What a picture's bytes are, for whoever fetches one: told by decoding all of them, not by their name."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Media type and size in pixels, as the decoder found them."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> ImageFacts:
    """Decode the picture and say what it is. Raises ValueError for bytes that are none, or not all of one."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return ImageFacts(Image.MIME.get(image.format or "", "unknown"), *image.size)
    except (OSError, SyntaxError) as error:  # SyntaxError: Pillow's for a broken PNG
        raise ValueError(f"not a picture: {error}") from error
