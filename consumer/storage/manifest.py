"""What is stored about a painted recipe, and the names under which pictures and manifests lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from consumer.jobs import Recipe, StoredPicture

if TYPE_CHECKING:
    from consumer.jobs import Rendition

PICTURES = "pictures"
"""Prefix of the picture objects, the only one that may be public."""

MANIFESTS = "manifests"
"""Prefix of the manifests, which hold prompts of unpublished stories."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}


class Manifest(BaseModel):
    """The recipe, the picture it became, when, and by which leadart.

    `format` rises only when workers of before could no longer read it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    recipe: Recipe
    picture: StoredPicture
    created: AwareDatetime
    leadart: str


def stored_picture(recipe: Recipe, rendition: Rendition) -> StoredPicture:
    """Say where a rendition of a recipe is kept and what is known about it."""
    sha256 = rendition.sha256
    return StoredPicture(
        key=f"{PICTURES}/{sha256[:2]}/{sha256}.{_EXTENSIONS[rendition.media_type]}",
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
    """Say where the manifest of a recipe is kept."""
    return f"{MANIFESTS}/{digest[:2]}/{digest}.json"
