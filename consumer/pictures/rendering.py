"""Renditions of a master: crop, scale and encode all that an order asks for."""

from collections.abc import Callable, Iterator

from PIL import Image

from consumer.pictures.crops import check_crop, check_names, crop_for, fitting_sizes
from consumer.pictures.decoding import as_srgb, decode
from consumer.pictures.marks import KEYWORD, taken_over
from consumer.pictures.placeholder import dominant_colour, thumbhash
from consumer.pictures.rendition_encoding import encode_to_fit
from consumer.renditions import Crop, EncodedRenditions, Rendition, RenditionOrder, RenditionSet, TooWide

_LONGEST_XMP = 65_000
"""Bytes; a JPEG takes no more."""


class NotWanted(Exception):
    """Nobody waits for these renditions any more."""


def render(
    master: bytes, order: RenditionOrder, producer: str, wanted: Callable[[], bool] = lambda: True
) -> EncodedRenditions:
    """Return everything that the order asks of the master. Deterministic.

    `wanted` is asked before each file. Raises `Rejected` (field `crops.<set>`) for a crop that no set asks for, outside
    the master or of another ratio; ValueError for bytes that are no picture; `NotWanted`.
    """
    decoded = decode(master)
    image, xmp = as_srgb(decoded), xmp_of(decoded, producer).encode()
    crops = crops_of(order, image.size)
    renditions = tuple(
        rendition
        for rendition_set in order.sets
        for rendition in _files(image, rendition_set, crops[rendition_set.name], xmp, wanted)
    )
    missing = tuple(
        lacking
        for rendition_set in order.sets
        for lacking in _missing(rendition_set, image.size, crops[rendition_set.name])
    )
    return EncodedRenditions(renditions, missing, thumbhash(image), dominant_colour(image))


def _files(
    image: Image.Image, rendition_set: RenditionSet, crop: Crop, xmp: bytes, wanted: Callable[[], bool]
) -> Iterator[Rendition]:
    part = image.crop((crop.x, crop.y, crop.x + crop.width, crop.y + crop.height))
    for size in fitting_sizes(rendition_set, image.size, crop):
        scaled = part.resize(size, Image.Resampling.LANCZOS)
        for encoding in rendition_set.encodings:
            if not wanted():
                raise NotWanted
            data = encode_to_fit(scaled, encoding, rendition_set.largest_bytes, xmp)
            name = _name(rendition_set, size[0])
            yield Rendition(name, rendition_set.name, data, encoding.format.media_type, *size, crop)


def crops_of(order: RenditionOrder, size: tuple[int, int]) -> dict[str, Crop]:
    """Return the crop of each set by its name, for a master of that size. Raises `Rejected` as `render` does."""
    check_names(order.sets, order.crops)
    return {rendition_set.name: _crop(rendition_set, order, size) for rendition_set in order.sets}


def _crop(rendition_set: RenditionSet, order: RenditionOrder, size: tuple[int, int]) -> Crop:
    crop = order.crops.get(rendition_set.name)
    if crop is None:
        return crop_for(rendition_set, size, order.focal_point)
    check_crop(rendition_set, size, crop)
    return crop


def _missing(rendition_set: RenditionSet, size: tuple[int, int], crop: Crop) -> Iterator[TooWide]:
    largest = max(width for width, _ in fitting_sizes(rendition_set, size, crop))
    for width in rendition_set.widths:
        if width > crop.width:
            yield TooWide(_name(rendition_set, width), rendition_set.name, width, largest)


def _name(rendition_set: RenditionSet, width: int) -> str:
    return f"{rendition_set.name}-{width}"


def xmp_of(master: Image.Image, producer: str) -> str:
    """Return the marks for what is made of a master as it was decoded. Raises ValueError if a file cannot hold them."""
    packet = master.info.get(KEYWORD) or master.info.get("xmp") or ""
    xmp = taken_over(packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet), producer)
    if (size := len(xmp.encode())) > _LONGEST_XMP:
        raise ValueError(f"its XMP is {size} bytes, and a JPEG takes {_LONGEST_XMP} at most")
    return xmp
