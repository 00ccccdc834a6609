"""What is stored about a painted recipe, and the keys of pictures and manifests."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, SerializerFunctionWrapHandler, field_serializer

from consumer.jobs import FILE_SUFFIXES, Master, PaintedFor, Recipe, StoredPicture, Use

PICTURES = "pictures"
"""Prefix of the picture objects; the only one that may be public."""

MANIFESTS = "manifests"
"""Prefix of the manifests, which contain prompts of unpublished stories."""

SWEEP_JOURNAL = f"{MANIFESTS}/sweep/"
"""Prefix of what `leadart store sweep` is deleting."""


class SweptPicture(BaseModel):
    """What the sweep's journal says of a picture that it deletes unless it was chosen meanwhile."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str
    created: AwareDatetime


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

    @property
    def use(self) -> Use | None:
        """Who the picture was painted for, None if that is not known."""
        return self.asked.use if self.asked else None

    @property
    def stored(self) -> StoredPicture:
        """The picture as it is announced, with who it was painted for."""
        return replace(self.picture, painted_for=self.use)

    def handed_to(self, use: Use | None) -> "Manifest":
        """Return the manifest with another user."""
        return self if self.asked is None else self.model_copy(update={"asked": replace(self.asked, use=use)})

    @field_serializer("picture", mode="wrap")
    def _without_user(self, picture: StoredPicture, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the user out of the picture: it is among what was asked."""
        fields: dict[str, Any] = serialize(picture)
        return {name: value for name, value in fields.items() if name != "painted_for"}


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


def sweep_key(digest: str) -> str:
    """Return the key of a recipe's entry in the sweep's journal."""
    return f"{SWEEP_JOURNAL}{digest}.json"


def manifest_key(digest: str) -> str:
    """Return the key of a recipe's manifest."""
    return f"{MANIFESTS}/{digest[:2]}/{digest}.json"
