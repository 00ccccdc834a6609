"""Verify a picture's bytes by decoding all of them."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Media type and size in pixels, from the decoder."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> ImageFacts:
    """Decode a picture and return its facts. Raises ValueError for bytes that are not a complete picture."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return ImageFacts(Image.MIME.get(image.format or "", "unknown"), *image.size)
    except (OSError, SyntaxError) as error:  # SyntaxError: Pillow's for a broken PNG
        raise ValueError(f"not a picture: {error}") from error
