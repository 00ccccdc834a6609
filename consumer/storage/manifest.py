"""What is stored about a painted recipe, and the keys of pictures and manifests."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from consumer.jobs import FILE_SUFFIXES, Recipe, Rendition, Renditions, StoredPicture, StoredPictures

PICTURES = "pictures"
"""Prefix of the picture objects; the only one that may be public."""

MANIFESTS = "manifests"
"""Prefix of the manifests, which contain prompts of unpublished stories."""


class Manifest(BaseModel):
    """A recipe, the renditions stored for it, when, and by which leadart.

    `picture` is the master; `further`, its other renditions, is written only where there are any. Earlier workers read
    the master and ignore the rest; `format` rises only when they could no longer read that.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    recipe: Recipe
    picture: StoredPicture
    further: tuple[StoredPicture, ...] = Field(default=(), exclude_if=lambda further: not further)
    created: AwareDatetime
    leadart: str

    @property
    def pictures(self) -> StoredPictures:
        """All stored renditions, the master first."""
        return (self.picture, *self.further)


def stored_pictures(recipe: Recipe, renditions: Renditions) -> StoredPictures:
    """Return where the renditions of a recipe are stored and what the manifest says about each."""
    return tuple(_stored_picture(recipe, rendition) for rendition in renditions)


def _stored_picture(recipe: Recipe, rendition: Rendition) -> StoredPicture:
    sha256 = rendition.sha256
    return StoredPicture(
        key=f"{PICTURES}/{sha256[:2]}/{sha256}.{FILE_SUFFIXES[rendition.media_type]}",
        sha256=sha256,
        bytes_=len(rendition.data),
        media_type=rendition.media_type,
        width=rendition.width,
        height=rendition.height,
        seed=recipe.seed,
        recipe=recipe.digest,
        prompt_cut=rendition.prompt_cut,
    )


def manifest_key(digest: str) -> str:
    """Return the key of a recipe's manifest."""
    return f"{MANIFESTS}/{digest[:2]}/{digest}.json"
