"""What is stored about a painted recipe, and the keys of pictures and manifests."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from consumer.jobs import FILE_SUFFIXES, Master, PaintedFor, Recipe, StoredPicture

PICTURES = "pictures"
"""Prefix of the picture objects; the only one that may be public."""

MANIFESTS = "manifests"
"""Prefix of the manifests, which contain prompts of unpublished stories."""


class Manifest(BaseModel):
    """A recipe, the master stored for it, what it was first asked for, when, and by which leadart.

    Earlier workers ignore fields that came later; `format` rises only when they could no longer read the rest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    recipe: Recipe
    picture: StoredPicture
    asked: PaintedFor | None = None
    created: AwareDatetime
    leadart: str


def stored_picture(recipe: Recipe, master: Master) -> StoredPicture:
    """Return where the master of a recipe is stored and what the manifest says about it."""
    sha256 = master.sha256
    return StoredPicture(
        key=object_key(sha256, master.media_type),
        sha256=sha256,
        bytes_=len(master.data),
        media_type=master.media_type,
        width=master.width,
        height=master.height,
        seed=recipe.seed,
        recipe=recipe.digest,
        prompt_cut=master.prompt_cut,
        focus=master.focus,
    )


def object_key(sha256: str, media_type: str) -> str:
    """Return the key of an object with these bytes."""
    return f"{PICTURES}/{sha256[:2]}/{sha256}.{FILE_SUFFIXES[media_type]}"


def manifest_key(digest: str) -> str:
    """Return the key of a recipe's manifest."""
    return f"{MANIFESTS}/{digest[:2]}/{digest}.json"
