"""What is stored about the renditions of one master for one order."""

from datetime import datetime
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from consumer.jobs import StoredPicture
from consumer.renditions import (
    Crop,
    EncodedRenditions,
    FocalPoint,
    RenditionOrder,
    StoredRendition,
    StoredRenditions,
    TooWide,
)
from consumer.storage.manifest import MANIFESTS, object_key

FILE_LIST = ".files.json"
"""Suffix of what lists the files of an order before they are put, beside the manifest."""

_MASTER_DIGITS = 16


class RenditionManifest(BaseModel):
    """The renditions of a master for an order, what was ordered, when, and by which leadart.

    `recipe`, `master` and `order` are SHA-256 (hex). Earlier workers ignore fields that came later; `format` rises only
    when they could no longer read the rest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    recipe: str
    master: str
    order: str
    sets: tuple[str, ...]
    focal_point: FocalPoint
    crops: dict[str, Crop]
    renditions: tuple[StoredRendition, ...]
    missing: tuple[TooWide, ...]
    thumbhash: str
    dominant_colour: str
    created: AwareDatetime
    leadart: str

    @classmethod
    def of(
        cls, picture: StoredPicture, order: RenditionOrder, stored: StoredRenditions, created: datetime, leadart: str
    ) -> Self:
        """Return the manifest of what was stored of a master for an order."""
        return cls(
            recipe=picture.recipe,
            master=picture.sha256,
            order=order.digest,
            sets=tuple(each.name for each in order.sets),
            focal_point=order.focal_point,
            crops=dict(order.crops),
            renditions=stored.renditions,
            missing=stored.missing,
            thumbhash=stored.thumbhash,
            dominant_colour=stored.dominant_colour,
            created=created,
            leadart=leadart,
        )

    @property
    def stored(self) -> StoredRenditions:
        """What is announced."""
        return StoredRenditions(self.renditions, self.missing, self.thumbhash, self.dominant_colour)

    def belongs_to(self, picture: StoredPicture, order: RenditionOrder) -> bool:
        """Return whether it describes this master and this order."""
        return (self.recipe, self.master, self.order) == (picture.recipe, picture.sha256, order.digest)


def stored_renditions(made: EncodedRenditions) -> StoredRenditions:
    """Return where what was encoded is stored."""
    stored = tuple(
        StoredRendition(
            name=each.name,
            set=each.set,
            key=object_key(sha256 := each.sha256, each.media_type),
            sha256=sha256,
            bytes_=len(each.data),
            media_type=each.media_type,
            width=each.width,
            height=each.height,
            crop=each.crop,
        )
        for each in made.renditions
    )
    return StoredRenditions(stored, made.missing, made.thumbhash, made.dominant_colour)


def rendition_manifest_key(picture: StoredPicture, order: RenditionOrder) -> str:
    """Return the key of the manifest of a master's renditions for an order."""
    return f"{renditions_prefix(picture.recipe)}{order.digest}-{picture.sha256[:_MASTER_DIGITS]}.json"


def files_key(recipe: str, order: str, master: str) -> str:
    """Return the key of the list of files that are about to be put for an order."""
    return f"{renditions_prefix(recipe)}{order}-{master[:_MASTER_DIGITS]}{FILE_LIST}"


def renditions_prefix(recipe: str) -> str:
    """Return how the keys of the manifests of a recipe's renditions begin."""
    return f"{MANIFESTS}/{recipe[:2]}/{recipe}/"
