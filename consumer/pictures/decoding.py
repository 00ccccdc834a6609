"""Files back to pixels: what the bytes of a picture are."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image


def decode(data: bytes) -> Image.Image:
    """Return the picture, all of its pixels read. Raises ValueError for bytes that are not a complete picture."""
    try:
        image = Image.open(BytesIO(data))
        image.load()
    except Exception as error:  # what a decoder stumbles over is anything: SyntaxError, RuntimeError, struct.error, …
        raise ValueError(f"not a picture: {error}") from error
    return image


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Media type and size in pixels, from the decoder."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> ImageFacts:
    """Decode a picture and return its facts. Raises ValueError for bytes that are not a complete picture."""
    image = decode(data)
    return ImageFacts(Image.MIME.get(image.format or "", "unknown"), *image.size)
