"""One rendition as a file: AVIF, WebP or JPEG, at a quality that falls until the file fits.

Two encodes of the same pixels are equal to the byte, with the same versions of Pillow and its libraries: every option
that decides bytes is set here, none left to the machine.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from io import BytesIO
from typing import Any, Final

from PIL import Image, features

from consumer.renditions import Encoding, RenditionFormat

_QUALITY_STEP: Final = 5

_OPTIONS: Final[Mapping[RenditionFormat, Mapping[str, Any]]] = {
    # Speed 6 takes three times as long as 8 for 6 to 14 % fewer bytes; 9 a third of the time for 5 % more. Encoders
    # run beside each other, each on one thread: how many there are must not decide the bytes.
    RenditionFormat.AVIF: {
        "codec": "aom",
        "speed": 8,
        "max_threads": 1,
        "autotiling": False,
        "subsampling": "4:2:0",
        "range": "full",
    },
    RenditionFormat.WEBP: {"method": 4},  # 6 takes half as long again for 1 % fewer bytes
    RenditionFormat.JPEG: {"progressive": True, "optimize": True, "subsampling": "4:2:0"},
}


_LIBRARIES: Final = {RenditionFormat.AVIF: "avif", RenditionFormat.WEBP: "webp", RenditionFormat.JPEG: "jpg"}
"""What Pillow calls the library that writes each format."""


def unwritable(formats: Iterable[RenditionFormat]) -> list[RenditionFormat]:
    """Return those formats that the installed Pillow was built without; its wheels have all of them."""
    return [each for each in formats if not features.check(_LIBRARIES[each])]


def encode_to_fit(image: Image.Image, encoding: Encoding, largest_bytes: int | None, xmp: bytes) -> bytes:
    """Return the image as a file of at most `largest_bytes`, if its lowest quality is small enough.

    The quality is the best that fits, in steps of 5, found by bisection: four encodes for a fall of up to 35.
    """

    @cache
    def at(quality: int) -> bytes:
        return _encode(image, encoding.format, quality, xmp)

    if largest_bytes is None or len(at(encoding.quality)) <= largest_bytes:
        return at(encoding.quality)
    falling = [*range(encoding.quality - _QUALITY_STEP, encoding.lowest_quality, -_QUALITY_STEP)]
    falling.append(encoding.lowest_quality)
    first, last = 0, len(falling) - 1
    while first < last:
        middle = (first + last) // 2
        if len(at(falling[middle])) <= largest_bytes:
            last = middle
        else:
            first = middle + 1
    return at(falling[first])


def _encode(image: Image.Image, file_format: RenditionFormat, quality: int, xmp: bytes) -> bytes:
    buffer = BytesIO()
    marks = {"xmp": xmp} if xmp else {}
    image.save(buffer, file_format.upper(), quality=quality, **_OPTIONS[file_format], **marks)
    return buffer.getvalue()
