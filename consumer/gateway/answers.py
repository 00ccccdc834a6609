"""What the gateway's answers look like, for its OpenAPI document and nothing else: the answers are made elsewhere."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from schemas.fields import Digest
from schemas.pictures import ReadyFocalPoint

_OUTCOMES = ("Ready", "Failed", "Superseded", "Expired", "Declined", "Held", "Withdrawn", "Cancelled")

Outcome = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [*({"$ref": f"#/components/schemas/Image{kind}"} for kind in _OUTCOMES), {"type": "null"}],
            "description": "The outcome event's data, of the kind that `state` names; null: there is none yet.",
        }
    ),
]
ReadyOutcome = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"$ref": "#/components/schemas/ImageReady"}, {"type": "null"}],
            "description": "The ready outcome whose pictures the slot shows; null: it shows nothing of leadart's.",
        }
    ),
]


class DescribedAnswer(BaseModel):
    """Base of what is answered: later fields may be added."""

    model_config = ConfigDict(extra="allow")


class ProblemDetails(DescribedAnswer):
    """What is wrong, in the form of RFC 9457."""

    type: str = Field(description="A URI of this kind of problem.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence for people: what is wrong and what to do.")
    reason: str = Field(description="A stable code: of the contract's reasons, or of HTTP's own.")
    field: str = Field(
        "", description="The field to correct, as a dotted path, or a parameter's name; absent: the request as a whole."
    )
    did_you_mean: dict[str, str] = Field(
        {}, description="For unknown fields that resemble a known one: its path. Absent: there are none."
    )


class ImageArticle(DescribedAnswer):
    """The article that a request or decision is about."""

    id: str = Field(description="The article's id in the CMS.")
    revision: int | None = Field(description="The revision that it names; null: none.")


class ImageStep(DescribedAnswer):
    """How far one variant is."""

    stage: str = Field(description="`accepted`, `started`, `step` or `storing`; more may be added.")
    step: int | None = Field(description="Denoising steps done.")
    of: int | None = Field(description="Denoising steps in total.")
    index: int | None = Field(description="Index of the variant, from 0.")


class ImageSummary(DescribedAnswer):
    """A request or a decision, and what has become of it."""

    id: str = Field(description="Its CloudEvents id.")
    kind: Literal["request", "crop", "choice", "approval", "withdrawal", "restoration"]
    state: str = Field(
        description="`queued`, `painting` (a step was done), `approved` or `restored`, or the kind of its outcome: "
        "`ready`, `failed`, `superseded`, `expired`, `declined`, `held`, `withdrawn` or `cancelled`; more may be added."
    )
    final: bool = Field(
        description="Whether nothing more will be announced about it; an approval is final once it is refused or what "
        "it approved has its outcome."
    )
    article: ImageArticle
    slot: str | None = Field(description="The place in the article; null: all of them.")
    lets_go: bool = Field(description="Whether it is a choice that lets go of the one before.")
    source: str = Field(description="Who published it.")
    asked_at: datetime
    outcome_at: datetime | None
    progress: list[ImageStep] | None = Field(description="Of each variant while it is painted; may skip steps.")
    outcome: Outcome


class ImageDetails(ImageSummary):
    """The same with what was requested."""

    request: dict[str, Any] = Field(description="The event's data as it was published.")


class AcceptedImage(ImageDetails):
    """What was published, and what of it the contract does not know."""

    ignored: list[str] = Field(description="Fields that are unknown, as dotted paths, at most 20.")
    did_you_mean: dict[str, str] = Field(description="For entries of `ignored` that resemble a known field: its path.")


class SlotPicture(DescribedAnswer):
    """What a card shows of a slot's first picture."""

    sha256: Digest
    width: int
    height: int
    thumbhash: str | None
    dominant_colour: str | None
    focal_point: ReadyFocalPoint | None
    alt: str | None


class SlotSummary(DescribedAnswer):
    """A slot: how it stands, and what it shows."""

    slot: str = Field(description="Its name.")
    state: str | None = Field(description="The state of what tells most about it.")
    latest: ImageSummary | None = Field(description="What tells most about it: what is awaited, else the newest.")
    revision: int | None = Field(description="The newest revision that was asked for.")
    chosen: bool = Field(description="Whether an editor chose what it shows.")
    picture: SlotPicture | None


class ArticleFacts(DescribedAnswer):
    """What the newest request said of the article, as `ImageRequested.article` has it."""

    id: str


class SlotDetails(SlotSummary):
    """All about a slot."""

    article: ArticleFacts
    source: str
    shown: ReadyOutcome
    held: list[ImageSummary] = Field(description="Requests that wait for an approval.")
    history: list[ImageDetails] = Field(description="Requests and decisions, newest first.")


class ArticleSummary(DescribedAnswer):
    """An article with its slots."""

    id: str
    source: str = Field(description="Who first published a request for it: it is theirs.")
    headline: str | None
    section: str | None
    url: str | None
    locale: str | None
    revision: int | None
    status: str | None
    updated_at: datetime
    slots: list[SlotSummary]


class ArticleList(DescribedAnswer):
    """Articles, the latest changed first."""

    articles: list[ArticleSummary]
    next: str | None = Field(description="Send it as `before` for those that changed earlier; null: there are none.")
    position: str = Field(description="The event id from which `/v1/events` goes on without a gap.")


class StyleDetails(DescribedAnswer):
    """A style that requests may name."""

    name: str
    title: str
    titles: dict[str, str] = Field(description="Titles by language code.")
    description: str
    version: int
    photorealistic: bool = Field(description="Whether its pictures may be taken for photographs.")
    sample: str | None = Field(description="Address of the newest picture of the caller's in it; null: none yet.")
    width: int
    height: int


class StyleList(DescribedAnswer):
    """The site's styles, in the order of its file."""

    styles: list[StyleDetails]


class RenditionShape(DescribedAnswer):
    """A rendition set."""

    name: str
    ratio: tuple[int, int] | None = Field(description="Width to height; null: the picture's own.")
    widths: list[int]
    formats: list[str]


class RenditionSets(DescribedAnswer):
    """The sets of a slot, in the order of the site's file."""

    sets: list[RenditionShape]
    thumb: str | None = Field(description="The set that variants get before one is chosen.")


class RememberedValues(DescribedAnswer):
    """What the caller took last."""

    sections: dict[str, dict[str, Any]] = Field(description="Values by section, as the page named them.")
    last: dict[str, Any] = Field(description="Those of whichever section came last.")


class SessionFacts(DescribedAnswer):
    """Who is signed in, and what they may do."""

    name: str
    source: str
    scopes: list[str]
    articles: list[str] = Field(description="Patterns of the article ids that they may name.")
    expires_at: datetime | None


class ShortToken(DescribedAnswer):
    """A token, to send as `Authorization: Bearer …`."""

    token: str
    expires_at: datetime
    scopes: list[str]
    articles: list[str]


ANSWERS: tuple[type[DescribedAnswer], ...] = (
    ProblemDetails,
    AcceptedImage,
    SlotDetails,
    ArticleList,
    StyleList,
    RenditionSets,
    RememberedValues,
    SessionFacts,
    ShortToken,
)
"""The roots; the others are within them."""
