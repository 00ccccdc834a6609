"""`image-recrop-requested`: an editor moves the focal point or the crops of a picture that was announced."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.fields import ArticleId, CropEdge, CropSide, Name, Revision, SetName, Sha256, Slot
from schemas.requested import Accepted, EditorFocalPoint


class CropBox(Accepted):
    """A part of the picture, in its pixels from its top left."""

    x: CropEdge = Field(description="Left edge.")
    y: CropEdge = Field(description="Top edge.")
    width: CropSide = Field(description="Width.")
    height: CropSide = Field(description="Height.")


class PictureReference(Accepted):
    """A picture that was announced, by exactly one of its two digests."""

    sha256: Sha256 | None = Field(default=None, description="`pictures[].sha256` of a ready outcome.")
    recipe: Sha256 | None = Field(default=None, description="`pictures[].recipe` of a ready outcome.")

    @model_validator(mode="after")
    def _names_one(self) -> PictureReference:
        if self.sha256 is None and self.recipe is None:
            raise PydanticCustomError("no_digest", "names no picture: fill in `sha256` or `recipe`")
        if self.sha256 is not None and self.recipe is not None:
            raise PydanticCustomError("two_digests", "has both `sha256` and `recipe`: leave one of them out")
        return self


class CroppedArticle(Accepted):
    """The article whose picture is cropped."""

    id: ArticleId = Field(description="The article's id in the CMS; also the record key.")
    revision: Revision = Field(description="The revision that the picture is for: the highest revision wins its slot.")


Crops = Annotated[dict[SetName, CropBox], Field(max_length=40)]


class ImageRecropRequested(Accepted):
    """Data of `org.leadart.article.image-recrop-requested.v1`: new renditions of a picture, without painting."""

    article: CroppedArticle
    slot: Slot = Field(default="hero", description="The place in the article.")
    picture: PictureReference
    focal_point: EditorFocalPoint | None = Field(
        default=None, description="Where the crops have to be; absent: where they were without an editor."
    )
    crops: Crops = Field(
        default_factory=dict,
        description="The crop of a rendition set by the set's name, instead of one round the focal point.",
    )
    requested_by: Name = Field(default=None, description="Who made the request, as the CMS names them.")
