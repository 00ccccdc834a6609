"""Files back to pixels: what the bytes of a picture are."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
"""Pillow knows many more, and starts other programs for some."""

_PROFILED = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pillow's mode for the colours that a profile describes: of a palette, those that its entries are."""


def decode(data: bytes) -> Image.Image:
    """Return the picture, all of its pixels read. Raises ValueError for bytes that are not a complete picture."""
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
        image.load()
    except UnidentifiedImageError:
        raise ValueError("not a picture: neither PNG nor JPEG, WebP or AVIF, or broken at its beginning") from None
    except Exception as error:  # what a decoder stumbles over is anything: SyntaxError, RuntimeError, struct.error, …
        raise ValueError(f"not a picture: {error}") from error
    return image


def as_srgb(image: Image.Image) -> Image.Image:
    """Return the picture upright, in 8-bit sRGB and without metadata, as masters are. Raises ValueError."""
    profile = image.info.get("icc_profile")
    upright = _with_channels(ImageOps.exif_transpose(image))
    try:
        if profile:
            source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            upright = upright.convert(_PROFILED.get(source.profile.xcolor_space.strip(), upright.mode))
            upright = ImageCms.profileToProfile(upright, source, target, outputMode="RGB") or upright
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"not a picture: its colour profile cannot be used: {error}") from error
    plain = upright.convert("RGB")
    plain.info = {}
    return plain


def _with_channels(image: Image.Image) -> Image.Image:
    """Return the picture with 8 bits a channel if it has 16 bits of grey, which Pillow would clip to white."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")


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
