"""What the worker announces: the outcome of each request, and on the way `image-progress`.

The models forbid unknown fields, so that nothing outside the contract is announced. The published schemas are open
nevertheless: a later field must not break a subscriber.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from schemas import names
from schemas.emitted import Emitted
from schemas.fields import (
    SAFE_INTEGER,
    ArticleId,
    Count,
    Digest,
    Moment,
    Revision,
    Scale,
    Seconds,
    Share,
    Slot,
    Variation,
)
from schemas.pictures import OPEN_CODE, Disclosure, ReadyPicture
from schemas.reasons import Reason

Code = Annotated[Reason, WithJsonSchema(OPEN_CODE)]
ProgressStage = Annotated[Literal["accepted", "started", "step", "storing"], WithJsonSchema(OPEN_CODE)]


class ArticleRevision(Emitted):
    """The article revision that an event is about."""

    id: ArticleId = Field(description="The article's id in the CMS.")
    revision: Revision = Field(description="The requested revision.")


class FailedArticle(Emitted):
    """The article of a request, as far as it could be read."""

    id: ArticleId = Field(description="The article's id in the CMS.")
    revision: Revision | None = Field(default=None, description="The revision, if it could be read.")


class OutcomeKind(StrEnum):
    """What became of a request. Each ends in exactly one of these, after it was `held` or not."""

    READY = "ready"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    DECLINED = "declined"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the request has ended: all but `held`, which waits for an editor."""
        return self is not OutcomeKind.HELD

    @property
    def event_type(self) -> str:
        """The CloudEvents type of the outcome event."""
        return f"{names.TYPE_PREFIX}{self}.v1"


class Announcement(Emitted):
    """Data of an event that the worker writes; `type` is the event type."""

    type: ClassVar[str]


class RequestAnnouncement(Announcement):
    """Data of an event about a valid request: which one, and for which place in which article."""

    request_id: str = Field(description="CloudEvents id of the request.")
    article: ArticleRevision = Field(description="The requested article revision.")
    slot: Slot = Field(description="The place in the article.")


class Outcome(Announcement):
    """Data of an event that ends a request; it says what of the request was not understood."""

    later = frozenset({"ignored", "did_you_mean"})

    ignored: tuple[str, ...] = Field(
        default=(),
        description="Fields of the request that this contract does not know, as dotted paths in the order of the "
        "document, at most 20. Absent from older events.",
    )
    did_you_mean: dict[str, str] = Field(
        default_factory=dict,
        description="For entries of `ignored` that resemble a known field: its path. Absent from older events.",
    )


class Ruled(RequestAnnouncement):
    """Data of an event about a request that the editorial policy was asked about."""

    later = frozenset({"policy"})

    policy: str | None = Field(
        default=None, description="The editorial policy's version; null: there is none. Absent from older events."
    )


Ordinal = Annotated[
    int,
    Field(
        ge=0,
        le=SAFE_INTEGER,
        description="Rises by slot in the order in which requests and decisions were accepted; a repeat keeps its "
        "number. 0 or absent: an event from before there were ordinals.",
    ),
]


class ReadyStyle(Emitted):
    """The style that was used."""

    preset: str = Field(description="The preset's name.")
    version: int = Field(description="The preset's version; rises when the preset changes.")


class ReadyAdapter(Emitted):
    """A LoRA that was applied, as the style specifies it."""

    name: str = Field(description="Its file name without suffix, for people.")
    sha256: Digest = Field(description="SHA-256 of its file, in lower-case hex.")
    scale: Scale = Field(description="Its strength: 1 is as trained, below 0 reverses its effect.")


class ReadyModel(Emitted):
    """The model that painted the pictures."""

    later = frozenset({"coverage", "quantization", "adapters"})

    name: str = Field(description="Its name, for people.")
    sha256: str = Field(description="Identity of the weights.")
    coverage: Share | None = Field(
        default=None,
        description="Share of the model that your checkpoint replaced, 0 to 1: 1 is all of it, less is an overlay; "
        "null: the unchanged base model. Absent from older events.",
    )
    quantization: str | None = Field(
        default=None,
        description="What large weights were rounded to once they were loaded, such as `fp8`; null: they were not. "
        "Absent from older events.",
    )
    adapters: tuple[ReadyAdapter, ...] = Field(
        default=(), description="The style's LoRAs, in its order. Absent from older events."
    )


class ReadySeconds(Emitted):
    """Time spent, in seconds; for several pictures the longest of each."""

    later = frozenset({"renditions"})

    queued: Seconds = Field(description="Waiting for the engine.")
    engine: Seconds = Field(description="Painting.")
    stored: Seconds = Field(description="Storing.")
    renditions: Seconds = Field(default=0.0, description="Making and storing the renditions. Absent from older events.")
    total: Seconds = Field(description="From receiving the request to this event.")


class ImageReady(Outcome, Ruled):
    """Data of `org.leadart.article.image-ready.v1`: the pictures exist and can be fetched."""

    type: ClassVar[str] = names.IMAGE_READY
    later = frozenset({"prompt_cut", "disclosure", "ordinal", "chosen", "kept", "offers", "caption"})

    ordinal: Ordinal = 0
    chosen: bool = Field(
        default=False, description="True if the picture is an editor's choice: show it, whatever else is announced."
    )
    kept: bool = Field(
        default=False, description="True if the request painted nothing, because the slot keeps the chosen picture."
    )
    offers: bool = Field(
        default=False, description="True if the pictures are offered beside a choice: go on showing the choice."
    )
    caption: str | None = Field(default=None, description="The caption that the editor gave with the choice.")
    variation: Variation = Field(description="As requested, or the next one for `regenerate`.")
    prompt: str = Field(description="The prompt that was used.")
    prompt_cut: bool = Field(
        default=False,
        description="True if the prompt was longer than the model reads, so that only its beginning was painted. "
        "Absent from older events.",
    )
    alt: str = Field(
        description="A draft of the text alternative: the kind of picture and what it was asked to show. An editor "
        "should check it."
    )
    pictures: tuple[ReadyPicture, ...] = Field(min_length=1, description="The variants, in order of `index`.")
    style: ReadyStyle = Field(description="The style that was used.")
    model: ReadyModel = Field(description="The model that painted the pictures.")
    disclosure: Disclosure | None = Field(
        default=None, description="How to disclose that the pictures are AI-made. Absent from older events."
    )
    reused: bool = Field(description="True if every picture existed already and none was painted for this request.")
    seconds: ReadySeconds = Field(description="Time spent, in seconds.")


class DeadLetter(Emitted):
    """Where the original record is kept, unchanged."""

    topic: str = Field(description="The dead-letter topic.")
    partition: Count = Field(description="The partition.")
    offset: Count | None = Field(default=None, description="The offset, if it is known.")


class ImageFailed(Outcome):
    """Data of `org.leadart.article.image-failed.v1`: there will be no picture for this request."""

    type: ClassVar[str] = names.IMAGE_FAILED

    request_id: str | None = Field(description="CloudEvents id of the request; null if it could not be read.")
    article: FailedArticle = Field(description="The requested article revision, as far as it could be read.")
    slot: Slot | None = Field(description="The place in the article; null if it could not be read.")
    reason: Code = Field(description="A stable code from the reasons table; treat an unknown one like `internal`.")
    message: str = Field(description="A sentence for people: what is wrong and what to do.")
    field: str | None = Field(
        default=None, description="The field to correct, as a dotted path such as `output.width`."
    )
    retryable: bool = Field(description="True if sending the same request again may succeed.")
    attempts: Count = Field(description="Number of attempts.")
    dead_letter: DeadLetter | None = Field(default=None, description="Where the original record is; null: nowhere.")


class SupersededBy(Emitted):
    """What replaced the request."""

    revision: Revision = Field(description="The newer revision.")


class ImageSuperseded(Outcome, RequestAnnouncement):
    """Data of `org.leadart.article.image-superseded.v1`: a newer revision replaced the request."""

    type: ClassVar[str] = names.IMAGE_SUPERSEDED

    superseded_by: SupersededBy = Field(description="What replaced the request.")


class ImageExpired(Outcome, RequestAnnouncement):
    """Data of `org.leadart.article.image-expired.v1`: the request's `expirytime` passed before its turn came."""

    type: ClassVar[str] = names.IMAGE_EXPIRED

    expired_at: Moment = Field(description="The request's `expirytime`.")


class ImageDeclined(Outcome, Ruled):
    """Data of `org.leadart.article.image-declined.v1`: the site's own rules want no picture here."""

    type: ClassVar[str] = names.IMAGE_DECLINED

    ordinal: Ordinal = Field(
        default=0,
        description="As in a ready outcome. A request that is declined without superseding anything, such as a draft, "
        "has the number that the next request gets as well.",
    )
    rule: str = Field(
        description="The rule's name in the editorial policy; `external_choice`: the slot has a picture of the site's "
        "own, as an editor declared."
    )
    message: str = Field(description="The rule's sentence, for people.")


class ImageHeld(Outcome, Ruled):
    """Data of `org.leadart.article.image-held.v1`: waits for an editor's approval; another outcome follows."""

    type: ClassVar[str] = names.IMAGE_HELD

    ordinal: Ordinal = 0
    rule: str = Field(description="The rule's name in the editorial policy.")
    message: str = Field(description="The rule's sentence, for people.")
    held_until: Moment = Field(description="When the request expires unless it is approved.")


class WithdrawnArticle(Emitted):
    """The article of a withdrawal."""

    id: ArticleId = Field(description="The article's id in the CMS.")
    revision: Revision | None = Field(
        default=None, description="The request's revision, or the slot's highest; null: the slot had none."
    )


class ImageWithdrawn(Outcome):
    """Data of `org.leadart.article.image-withdrawn.v1`: the slot's pictures are deleted, and no more are made."""

    type: ClassVar[str] = names.IMAGE_WITHDRAWN

    request_id: str = Field(description="CloudEvents id of the withdrawal, or of a request that came after it.")
    article: WithdrawnArticle = Field(description="The article.")
    slot: Slot | None = Field(description="The place in the article; null: the article had no slot yet.")
    ordinal: Ordinal = 0
    message: str | None = Field(default=None, description="Why, as the withdrawal said.")


class ImageCancelled(Outcome, RequestAnnouncement):
    """Data of `org.leadart.article.image-cancelled.v1`: an operator called the request off."""

    type: ClassVar[str] = names.IMAGE_CANCELLED

    message: str = Field(description="What was called off, for people.")


class ImageProgress(RequestAnnouncement):
    """Data of `org.leadart.article.image-progress.v1`: may repeat or get lost, and is never final."""

    type: ClassVar[str] = names.IMAGE_PROGRESS

    stage: ProgressStage = Field(description="`accepted`, `started`, `step` or `storing`; more may be added.")
    step: Count | None = Field(default=None, description="Denoising steps done.")
    of: Count | None = Field(default=None, description="Denoising steps in total.")
    index: Count | None = Field(default=None, description="Index of the variant, from 0.")


ANNOUNCEMENTS: tuple[type[Announcement], ...] = (
    ImageReady,
    ImageFailed,
    ImageSuperseded,
    ImageExpired,
    ImageDeclined,
    ImageHeld,
    ImageWithdrawn,
    ImageCancelled,
    ImageProgress,
)
