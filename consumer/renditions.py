"""The language of renditions: what a site wants of a master, what was encoded, what is stored.

Like `consumer.jobs`, frozen values without I/O. A master is never changed; every rendition is a crop of it at one size
in one format.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property

from schemas.pictures import FocalSource


class RenditionFormat(StrEnum):
    """A file format of renditions, named as in the rendition file."""

    AVIF = "avif"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def media_type(self) -> str:
        """Its media type."""
        return f"image/{self}"


@dataclass(frozen=True, slots=True)
class FocalPoint:
    """The point that crops keep, as fractions of the master from its top left, and where it comes from."""

    x: float
    y: float
    source: FocalSource


CENTRE = FocalPoint(0.5, 0.5, FocalSource.CENTRE)


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the master, in its pixels from its top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode: the format, its quality (1 to 100) and the lowest it may fall to, so that a file fits."""

    format: RenditionFormat
    quality: int
    lowest_quality: int


@dataclass(frozen=True, slots=True)
class RenditionSet:
    """One shape of a picture at several widths, in pixels, each in every encoding.

    `ratio` is width to height, None for the master's own. `largest_bytes` of one file, None for no limit.
    """

    name: str
    ratio: tuple[int, int] | None
    widths: tuple[int, ...]
    encodings: tuple[Encoding, ...]
    largest_bytes: int | None = None


@dataclass(frozen=True)
class RenditionOrder:
    """Which renditions are wanted of a master: the sets, the focal point, and explicit crops by name of a set."""

    sets: tuple[RenditionSet, ...]
    focal_point: FocalPoint
    crops: Mapping[str, Crop] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical JSON of all fields: the name of what was made for it."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rendition:
    """One encoded file of a master: the bytes to store and what the event says about them."""

    name: str
    set: str
    data: bytes
    media_type: str
    width: int
    height: int
    crop: Crop

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the bytes: the object's name."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class TooWide:
    """A rendition that is wider than the master, and the largest width of its set that was made."""

    name: str
    set: str
    width: int
    largest: int


@dataclass(frozen=True, slots=True)
class EncodedRenditions:
    """Everything made of a master for one order. `thumbhash` in base64, `dominant_colour` such as #a1b2c3."""

    renditions: tuple[Rendition, ...]
    missing: tuple[TooWide, ...]
    thumbhash: str
    dominant_colour: str


@dataclass(frozen=True, slots=True)
class StoredRendition:
    """A rendition in the object store. `bytes_` is the object's size."""

    name: str
    set: str
    key: str
    sha256: str
    bytes_: int
    media_type: str
    width: int
    height: int
    crop: Crop


@dataclass(frozen=True, slots=True)
class StoredRenditions:
    """Everything stored of a master for one order, as announced."""

    renditions: tuple[StoredRendition, ...]
    missing: tuple[TooWide, ...]
    thumbhash: str
    dominant_colour: str

    def has_every_set(self, order: RenditionOrder) -> bool:
        """Return whether there are files of every set of the order: at least one is made of each."""
        return {each.set for each in self.renditions} == {each.name for each in order.sets}
