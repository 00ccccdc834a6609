"""What a ready outcome says about each picture: the master, its renditions, and how to disclose that it is AI-made."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from schemas.emitted import Emitted
from schemas.fields import Count, Digest, Moment, Seed, Share

OPEN_CODE = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
"""Schema of a code of which more may be added."""


class FocalSource(StrEnum):
    """Where a focal point comes from, the most trusted first."""

    EDITOR = "editor"
    FOUND = "found"
    CENTRE = "centre"


class ReadyCrop(Emitted):
    """The part of the master that a rendition shows, in the master's pixels from its top left."""

    x: Count = Field(description="Left edge.")
    y: Count = Field(description="Top edge.")
    width: Count = Field(description="Width.")
    height: Count = Field(description="Height.")


class ReadyRendition(Emitted):
    """One file made from the master: a crop of it at one size in one format."""

    name: str = Field(description="Set and width, such as `hero-960`; several formats of one size share it.")
    set: str = Field(description="The rendition set, as the site named it.")
    width: Count = Field(description="Width in pixels.")
    height: Count = Field(description="Height in pixels.")
    media_type: str = Field(description="Media type: image/avif, image/webp, image/jpeg or image/png.")
    bytes: Count = Field(description="File size in bytes.")
    sha256: Digest = Field(description="SHA-256 of the bytes, in lower-case hex.")
    key: str = Field(description="The object's key in the bucket.")
    url: str = Field(description="Address to fetch it from.")
    url_expires: Moment | None = Field(default=None, description="When the address expires; null: never.")
    crop: ReadyCrop = Field(description="The part of the master that it shows.")


class MissingRendition(Emitted):
    """A rendition that was not made because it is larger than the master: pictures are never enlarged."""

    name: str = Field(description="Its name.")
    set: str = Field(description="Its rendition set.")
    width: Count = Field(description="The width that the set asks for, in pixels.")
    largest: Count = Field(description="The largest width of the set that was made, in pixels.")


class ReadyFocalPoint(Emitted):
    """The point that crops keep, as fractions of the master from its top left."""

    x: Share = Field(description="0 is the left edge, 1 the right.")
    y: Share = Field(description="0 is the top edge, 1 the bottom.")
    source: Annotated[FocalSource, WithJsonSchema(OPEN_CODE)] = Field(
        description="`editor`: given by an editor; `found`: where the prompt acts on the picture; `centre`; more may "
        "be added."
    )


class ReadyPicture(Emitted):
    """One picture and where to fetch it."""

    later = frozenset({"renditions", "renditions_missing", "focal_point", "thumbhash", "dominant_colour"})

    index: Count = Field(description="Index of the variant, from 0.")
    url: str = Field(description="Address to fetch it from.")
    url_expires: Moment | None = Field(default=None, description="When the address expires; null: never.")
    key: str = Field(description="The object's key in the bucket.")
    sha256: Digest = Field(description="SHA-256 of the bytes, in lower-case hex.")
    bytes: Count = Field(description="File size in bytes.")
    media_type: str = Field(description="Media type, such as image/png.")
    width: Count = Field(description="Width in pixels.")
    height: Count = Field(description="Height in pixels.")
    seed: Seed = Field(description="The seed it was painted with.")
    recipe: Digest = Field(description="SHA-256 of everything that decides its pixels: equal recipes, equal pictures.")
    renditions: tuple[ReadyRendition, ...] = Field(
        default=(), description="Files made from it for a site, as the site's rendition sets say."
    )
    renditions_missing: tuple[MissingRendition, ...] = Field(
        default=(), description="Renditions not made because they are larger than the picture."
    )
    focal_point: ReadyFocalPoint | None = Field(
        default=None, description="The point that the crops keep. Absent from older events."
    )
    thumbhash: str | None = Field(
        default=None,
        description="ThumbHash in base64, a placeholder of some 25 bytes to show while the picture loads; null: no "
        "renditions were made.",
    )
    dominant_colour: str | None = Field(
        default=None, description="Its most common colour, such as #a1b2c3; null: no renditions were made."
    )


class Disclosure(Emitted):
    """How the pictures are to be disclosed as AI-made, and which marks are in their files."""

    ai_generated: bool = Field(description="Always true: a model painted the pictures.")
    photorealistic: bool = Field(
        description="True if the style's pictures may be taken for photographs: label them where they are shown."
    )
    credit_line: str = Field(description="The site's credit line, to be shown with the pictures.")
    marks: tuple[str, ...] = Field(
        description="Marks in every file: `iptc_digital_source_type`, `iptc_ai_system`, `tc260_aigc`; more may follow. "
        "The PNG of a picture that an earlier version painted has only the first two."
    )
