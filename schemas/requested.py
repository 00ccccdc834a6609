"""`image-requested`: an article was saved, or an editor asks for pictures.

Unknown fields are ignored, so that a newer publisher can talk to an older worker. Null means absent, and so does blank
free text, except in the negative prompt, where an empty text excludes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from schemas import defaults
from schemas.fields import (
    ArticleId,
    Aspect,
    Excerpt,
    GuidanceScale,
    Headline,
    Hints,
    Label,
    Locale,
    Name,
    NegativePrompt,
    Paragraph,
    Revision,
    Seed,
    Share,
    Side,
    Slot,
    Steps,
    Tags,
    Variants,
    Variation,
)
from schemas.sizes import SIZE_BOUNDS, asked_size, fits, has_aspect


class RequestReason(StrEnum):
    """Why the request was made."""

    SAVE = "save"
    REGENERATE = "regenerate"
    REFINE = "refine"
    BACKFILL = "backfill"


class Priority(StrEnum):
    """Whether an editor is waiting for the pictures."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"


class Accepted(BaseModel):
    """Base of what is read: strict types, unknown fields ignored, null equals absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: object) -> object:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Publish every optional field as one that may be null, as the validator does, and lists of any length."""
        reference = handler(schema)
        resolved = handler.resolve_ref_schema(reference)
        for name in resolved["properties"].keys() - set(resolved.get("required", ())):
            resolved["properties"][name] = _or_null(_of_any_length(resolved["properties"][name]))
        return reference


def _of_any_length(field: JsonSchemaValue) -> JsonSchemaValue:
    # json-schema-to-typescript makes a union of 21 tuple types of `maxItems: 20`, which no list of a program fits.
    if "maxItems" not in field:
        return field
    rest = {key: value for key, value in field.items() if key != "maxItems"}
    return rest | {"description": f"{field['description']} At most {field['maxItems']} entries."}


def _or_null(field: JsonSchemaValue) -> JsonSchemaValue:
    if {"type": "null"} in field.get("anyOf", ()):
        return field
    notes = {"title", "description", "default"}
    kind = {key: value for key, value in field.items() if key not in notes}
    return {"anyOf": [kind, {"type": "null"}], **{key: value for key, value in field.items() if key in notes}}


class Article(Accepted):
    """What the picture needs to know about the article."""

    id: ArticleId = Field(description="The article's id in the CMS; also the record key.")
    revision: Revision = Field(description="Must rise with every save: the highest revision wins its slot.")
    url: Paragraph = Field(default=None, description="The article's address, for people.")
    locale: Locale = Field(default="en", description="Language of the text, as a language tag.")
    section: Label = Field(default=None, description="Desk or section.")
    headline: Headline = Field(default=None, description="The headline; required unless `brief.prompt` is given.")
    standfirst: Paragraph = Field(default=None, description="The sentence under the headline.")
    summary: Paragraph = Field(default=None, description="What happened, in a few sentences.")
    body_excerpt: Excerpt = Field(default=None, description="The first paragraphs, used if there is no summary.")
    tags: Tags = Field(default=(), description="Keywords, most important first.")
    status: Label = Field(default=None, description="Workflow state in the CMS.")
    author: Name = Field(default=None, description="Byline.")


class Brief(Accepted):
    """An editor's instructions for the picture."""

    prompt: Paragraph = Field(
        default=None,
        description="The editor's own prompt, used instead of the article's text; required if there is no headline.",
    )
    negative_prompt: NegativePrompt | None = Field(
        default=None,
        description="What must not appear, in place of the usual negative prompt; an empty text excludes nothing.",
    )
    subject_hints: Hints = Field(
        default=(),
        description="What to show in addition to the article's text: the first 6, at most 100 characters of each; not "
        "used if `prompt` is given.",
    )
    avoid: Hints = Field(
        default=(), description="What to leave out in addition to the usual: as much as fits into 2000 characters."
    )


class Style(Accepted):
    """How the picture looks."""

    preset: Label = Field(default=None, description="A preset that `leadart styles` lists; absent: the site's default.")


class RenditionScope(StrEnum):
    """How many renditions to make of each picture."""

    FULL = "full"
    THUMBS = "thumbs"
    NONE = "none"


class EditorFocalPoint(Accepted):
    """The point that crops keep, as fractions of the picture from its top left."""

    x: Share = Field(description="0 is the left edge, 1 the right.")
    y: Share = Field(description="0 is the top edge, 1 the bottom.")


class Output(Accepted):
    """Which pictures to make, and what of them."""

    slot: Slot = Field(default="hero", description="The place in the article; each slot has its own latest revision.")
    variants: Variants = Field(default=1, description="Number of pictures to choose from.")
    width: Side | None = Field(
        default=None, description="Width in pixels; absent: by the height and the aspect, else the style's, else 512."
    )
    height: Side | None = Field(
        default=None, description="Height in pixels; absent: by the width and the aspect, else the style's, else 512."
    )
    aspect: Aspect | None = Field(
        default=None,
        description="Width to height, such as `16:9`; absent: the style's. With one side it gives the other; alone it "
        "gives a picture of the style's area.",
    )
    renditions: Annotated[RenditionScope, Field(strict=False)] | None = Field(
        default=None,
        description="Files to make of each picture: the site's `full` sets, `thumbs` only, or `none`; absent: `full` "
        "for one variant, `thumbs` for more.",
    )
    focal_point: EditorFocalPoint | None = Field(
        default=None, description="The point that the crops keep, as an editor chose it; absent: found or the centre."
    )

    @model_validator(mode="after")
    def _can_be_painted(self) -> Output:
        given = [part for part in (self.width, self.height, self.aspect) if part is not None]
        # With fewer the style decides too: that is checked where it is known.
        if len(given) >= 2 and (problem := self.size_problem((defaults.WIDTH, defaults.HEIGHT))) is not None:
            field, sentence = problem
            raise PydanticCustomError("size", "{sentence}", {"field": field, "sentence": sentence})
        return self

    def size(self, usual: tuple[int, int]) -> tuple[int, int]:
        """Return the size to make, given the style's; it may be out of bounds (see `size_problem`)."""
        return asked_size(self.width, self.height, self.aspect, usual)

    def size_problem(self, usual: tuple[int, int]) -> tuple[str, str] | None:
        """Return the field to correct and the rest of a sentence about it; None for a size that can be made."""
        width, height = self.size(usual)
        if self.width and self.height and self.aspect and not has_aspect(width, height, self.aspect):
            return "aspect", f"is {self.aspect}, but {width}x{height} is not: leave out width, height or aspect"
        if fits(width, height):
            return None
        if self.width and self.height:
            return "width", f"is {width} at a height of {height}: {SIZE_BOUNDS}"
        field = "width" if self.width else "height" if self.height else "aspect"
        return field, f"makes a picture of {width}x{height}: {SIZE_BOUNDS}"


class Generation(Accepted):
    """Engine parameters; absent ones come from the style, then from the engine's defaults."""

    steps: Steps | None = Field(default=None, description="Denoising steps; absent: the style's, else 12.")
    guidance_scale: GuidanceScale | None = Field(
        default=None,
        description="How strictly to follow the prompt; 0 switches guidance off. Other tools' cfg minus 1. Absent: the "
        "style's, else 2.0.",
    )
    seed: Seed | None = Field(
        default=None, description="Seed of the noise; absent: derived from article, slot and variation."
    )
    variation: Variation | None = Field(
        default=None,
        description="Another number gives other pictures for the same request; absent: 0, or the slot's next one if "
        "`reason` is `regenerate`.",
    )


class ImageRequested(Accepted):
    """Data of `org.leadart.article.image-requested.v1`; one of `article.headline` and `brief.prompt` is required."""

    article: Article
    brief: Brief = Field(default_factory=Brief)
    style: Style = Field(default_factory=Style)
    output: Output = Field(default_factory=Output)
    generation: Generation = Field(default_factory=Generation)
    reason: Annotated[RequestReason, Field(strict=False)] = Field(
        default=RequestReason.SAVE,
        description="Why the request was made; `regenerate` paints the next variation; `refine` does not exist yet.",
    )
    priority: Annotated[Priority, Field(strict=False)] = Field(
        default=Priority.NORMAL, description="`interactive` if an editor is waiting: served first."
    )
    requested_by: Name = Field(default=None, description="Who made the request, as the CMS names them.")
    parent_image_id: Name = Field(
        default=None, description="The picture that a refinement starts from; accepted, but not used yet."
    )
    changed_fields: Tags = Field(default=(), description="The article's fields changed by this save.")

    @property
    def slot(self) -> str:
        """The place in the article."""
        return self.output.slot

    @model_validator(mode="after")
    def _exists(self) -> ImageRequested:
        if self.reason is RequestReason.REFINE:
            raise PydanticCustomError(
                "refine", "is refine, and refining a picture does not exist yet: write regenerate", {"field": "reason"}
            )
        return self

    @model_validator(mode="after")
    def _says_what_to_paint(self) -> ImageRequested:
        if not (self.article.headline or self.brief.prompt):
            raise PydanticCustomError(
                "nothing_to_paint",
                "is missing, and so is `brief.prompt`: give at least one of them",
                {"field": "article.headline"},
            )
        return self
