"""What an editor decides about a slot or an article: a choice, a withdrawal, a restoration, an approval."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.fields import ArticleId, ChosenAlt, ChosenCaption, Name, Paragraph, Revision, Slot
from schemas.recrop import Crops, PictureReference
from schemas.requested import Accepted, EditorFocalPoint


class DecidedArticle(Accepted):
    """The article that a picture is chosen or approved for."""

    id: ArticleId = Field(description="The article's id in the CMS; also the record key.")
    revision: Revision = Field(description="The revision that the editor saw; for an approval, the one that is held.")


class WholeArticle(Accepted):
    """The article that is withdrawn or restored."""

    id: ArticleId = Field(description="The article's id in the CMS; also the record key.")


class ImageChosen(Accepted):
    """Data of `org.leadart.article.image-chosen.v1`: keep this picture in the slot, or let go of the one chosen."""

    article: DecidedArticle
    slot: Slot = Field(default="hero", description="The place in the article.")
    picture: PictureReference | None = Field(
        default=None, description="The picture to keep; absent or null: let go of the choice."
    )
    external: bool = Field(
        default=False, description="The slot has a picture of the site's own: leadart stays out of it."
    )
    focal_point: EditorFocalPoint | None = Field(
        default=None, description="Where the crops have to be; absent: where they were without an editor."
    )
    crops: Crops = Field(
        default_factory=dict,
        description="The crop of a rendition set by the set's name, instead of one round the focal point.",
    )
    alt: ChosenAlt = Field(
        default=None,
        description="The text alternative; absent or null: as before if the picture is chosen already, else the draft; "
        "empty: the draft.",
    )
    caption: ChosenCaption = Field(
        default=None,
        description="A caption, which outcomes repeat; absent or null: as before if the picture is chosen already; "
        "empty: none.",
    )
    chosen_by: Name = Field(default=None, description="Who chose, as the CMS names them.")

    @model_validator(mode="after")
    def _is_ours_or_external(self) -> ImageChosen:
        if self.external and self.picture is not None:
            raise PydanticCustomError(
                "external_picture", "names a picture of leadart's, which is not external: leave one of them out"
            )
        return self


class ArticleWithdrawn(Accepted):
    """Data of `org.leadart.article.withdrawn.v1`: delete the pictures, and make no more until it is restored."""

    article: WholeArticle
    slot: Slot | None = Field(default=None, description="The place in the article; absent or null: all of them.")
    reason: Paragraph = Field(default=None, description="Why, for people.")
    withdrawn_by: Name = Field(default=None, description="Who took it down, as the CMS names them.")


class ArticleRestored(Accepted):
    """Data of `org.leadart.article.restored.v1`: pictures may be made again. It has no outcome of its own."""

    article: WholeArticle
    slot: Slot | None = Field(default=None, description="The place in the article; absent or null: all of them.")
    reason: Paragraph = Field(default=None, description="Why, for people.")
    restored_by: Name = Field(default=None, description="Who opened it again, as the CMS names them.")


class ImageApproved(Accepted):
    """Data of `org.leadart.article.image-approved.v1`: make the pictures of the request that is held."""

    article: DecidedArticle
    slot: Slot = Field(default="hero", description="The place in the article.")
    approved_by: Name = Field(default=None, description="Who approved, as the CMS names them.")
