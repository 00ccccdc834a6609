"""What the worker announces: `image-ready`, `-failed`, `-superseded`, `-expired`, and on the way `image-progress`.

Unknown fields are forbidden here, so that nothing is announced that the contract does not tell. The published schemas
are open all the same: a later field must break no subscriber.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema

from schemas import names
from schemas.fields import (
    ArticleId,
    Count,
    Digest,
    Moment,
    Revision,
    Scale,
    Seconds,
    Seed,
    Share,
    Slot,
    Variation,
)
from schemas.reasons import Reason

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_OPEN_CODE = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}

Code = Annotated[Reason, WithJsonSchema(_OPEN_CODE)]
ProgressStage = Annotated[Literal["accepted", "started", "step", "storing"], WithJsonSchema(_OPEN_CODE)]


class Emitted(BaseModel):
    """A piece of what we announce: closed, frozen, every field always present.

    `later` names the fields that came after the first release: the published schema does not require them, because the
    events of before are still in the topics and stay readable.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, hide_input_in_errors=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let the published schema accept events that lack a later field."""
        reference = handler(schema)
        resolved = handler.resolve_ref_schema(reference)
        resolved["required"] = [name for name in resolved["required"] if name not in cls.later]
        return reference


class ArticleRevision(Emitted):
    """Which revision of which article an event is about."""

    id: ArticleId = Field(description="The article's identity in the CMS.")
    revision: Revision = Field(description="The revision that was asked for.")


class FailedArticle(Emitted):
    """Which article a request was about, as far as it could be read."""

    id: ArticleId = Field(description="The article's identity in the CMS.")
    revision: Revision | None = Field(default=None, description="The revision, if it could be read.")


class OutcomeKind(StrEnum):
    """How a request ends; each has exactly one outcome."""

    READY = "ready"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"

    @property
    def event_type(self) -> str:
        """The CloudEvents type of the outcome event."""
        return f"{names.TYPE_PREFIX}{self}.v1"


class Announcement(Emitted):
    """The data of an event that the worker writes; `type` is the event's."""

    type: ClassVar[str]


class ReadyPicture(Emitted):
    """One picture and where it lies."""

    index: Count = Field(description="Which of the request's variants, from 0.")
    url: str = Field(description="Where to fetch it.")
    url_expires: Moment | None = Field(default=None, description="When that address ends; null: never.")
    key: str = Field(description="The object's key in the bucket.")
    sha256: Digest = Field(description="SHA-256 of the bytes, in lower-case hex.")
    bytes: Count = Field(description="Size of the file.")
    media_type: str = Field(description="Such as image/png.")
    width: Count = Field(description="Pixels.")
    height: Count = Field(description="Pixels.")
    seed: Seed = Field(description="The seed it was painted from.")
    recipe: Digest = Field(description="SHA-256 of everything that decided its pixels: equal recipes, equal pictures.")


class ReadyStyle(Emitted):
    """The style that was used."""

    preset: str = Field(description="The preset's name.")
    version: int = Field(description="Rises when the preset changes.")


class ReadyAdapter(Emitted):
    """A LoRA that took part, as the style asked for it."""

    name: str = Field(description="For people: its file's name without suffix.")
    sha256: Digest = Field(description="SHA-256 of its file, in lower-case hex.")
    scale: Scale = Field(description="Its strength; 1 is as it was trained, below 0 turns it round.")


class ReadyModel(Emitted):
    """The model that painted."""

    later = frozenset({"coverage", "adapters"})

    name: str = Field(description="For people.")
    sha256: str = Field(description="Identity of the weights.")
    coverage: Share | None = Field(
        default=None,
        description="Share of the model that the house's checkpoint replaced, 0 to 1: 1 is all of it, less an overlay; "
        "null: the base model as it is. Missing from older events.",
    )
    adapters: tuple[ReadyAdapter, ...] = Field(
        default=(), description="The LoRAs of the style, in its order. Missing from older events."
    )


class ReadySeconds(Emitted):
    """Where the time went; of several pictures the longest counts."""

    queued: Seconds = Field(description="Waiting for a turn at the engine.")
    engine: Seconds = Field(description="Painting.")
    stored: Seconds = Field(description="Storing.")
    total: Seconds = Field(description="From taking the request up to this event.")


class ImageReady(Announcement):
    """Data of `org.leadart.article.image-ready.v1`: the pictures exist and can be fetched."""

    type: ClassVar[str] = names.IMAGE_READY
    later = frozenset({"prompt_cut"})

    request_id: str = Field(description="CloudEvents id of the request.")
    article: ArticleRevision = Field(description="What was asked for.")
    slot: Slot = Field(description="The place in the article.")
    variation: Variation = Field(description="As requested.")
    prompt: str = Field(description="The prompt as it was used.")
    prompt_cut: bool = Field(
        default=False,
        description="True when the prompt is longer than the model reads, so that only its beginning was painted. "
        "Missing from older events.",
    )
    alt: str = Field(description="A text alternative to start from; an editor should check it.")
    pictures: tuple[ReadyPicture, ...] = Field(min_length=1, description="The variants, by `index`.")
    style: ReadyStyle = Field(description="The style that was used.")
    model: ReadyModel = Field(description="The model that painted.")
    reused: bool = Field(
        description="True when every picture was there already, and none was painted for this request."
    )
    seconds: ReadySeconds = Field(description="Where the time went.")


class DeadLetter(Emitted):
    """Where the refused record lies, untouched."""

    topic: str = Field(description="The dead-letter topic.")
    partition: Count = Field(description="The partition.")
    offset: Count | None = Field(default=None, description="The offset, where it is known.")


class ImageFailed(Announcement):
    """Data of `org.leadart.article.image-failed.v1`: there will be no picture for this request."""

    type: ClassVar[str] = names.IMAGE_FAILED

    request_id: str | None = Field(description="CloudEvents id of the request; null if it could not be read.")
    article: FailedArticle = Field(description="What was asked for, as far as it could be read.")
    slot: Slot | None = Field(description="The place in the article; null if it could not be read.")
    reason: Code = Field(
        description="A stable code out of the reasons table; treat one you do not know like `internal`."
    )
    message: str = Field(description="A sentence for a person: what is wrong and what to do.")
    field: str | None = Field(
        default=None, description="The field to correct, as a dotted path such as `output.width`."
    )
    retryable: bool = Field(description="True when sending the same request again may help.")
    attempts: Count = Field(description="How often it was tried.")
    dead_letter: DeadLetter | None = Field(default=None, description="Where the original record lies; null: nowhere.")


class SupersededBy(Emitted):
    """What took the request's place."""

    revision: Revision = Field(description="The newer revision.")


class ImageSuperseded(Announcement):
    """Data of `org.leadart.article.image-superseded.v1`: a newer revision took the request's place."""

    type: ClassVar[str] = names.IMAGE_SUPERSEDED

    request_id: str = Field(description="CloudEvents id of the request.")
    article: ArticleRevision = Field(description="What was asked for.")
    slot: Slot = Field(description="The place in the article.")
    superseded_by: SupersededBy = Field(description="What took the request's place.")


class ImageExpired(Announcement):
    """Data of `org.leadart.article.image-expired.v1`: the request's `expirytime` passed before its turn came."""

    type: ClassVar[str] = names.IMAGE_EXPIRED

    request_id: str = Field(description="CloudEvents id of the request.")
    article: ArticleRevision = Field(description="What was asked for.")
    slot: Slot = Field(description="The place in the article.")
    expired_at: Moment = Field(description="The request's `expirytime`.")


class ImageProgress(Announcement):
    """Data of `org.leadart.article.image-progress.v1`: may repeat, may go missing, never the last word."""

    type: ClassVar[str] = names.IMAGE_PROGRESS

    request_id: str = Field(description="CloudEvents id of the request.")
    article: ArticleRevision = Field(description="What was asked for.")
    slot: Slot = Field(description="The place in the article.")
    stage: ProgressStage = Field(description="`accepted`, `started`, `step` or `storing`; more may come.")
    step: Count | None = Field(default=None, description="Denoising steps done.")
    of: Count | None = Field(default=None, description="Denoising steps in all.")
    index: Count | None = Field(default=None, description="Which of the request's variants, from 0.")


ANNOUNCEMENTS: tuple[type[Announcement], ...] = (ImageReady, ImageFailed, ImageSuperseded, ImageExpired, ImageProgress)
