"""From finished pictures to the data of the ready outcome, with an address for every file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.jobs import Recipe, StoredPicture
from consumer.ports import Store
from consumer.processing.context import JobContext
from consumer.processing.renditions import FinishedPicture
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.renditions import Crop, FocalPoint, StoredRendition, TooWide
from consumer.settings.disclosure import DisclosureSettings
from consumer.telemetry.metrics import Stage
from schemas import (
    ArticleRevision,
    Disclosure,
    ImageReady,
    MissingRendition,
    ReadyAdapter,
    ReadyCrop,
    ReadyFocalPoint,
    ReadyModel,
    ReadyPicture,
    ReadyRendition,
    ReadySeconds,
    ReadyStyle,
)

MARKS: Final = ("iptc_digital_source_type", "iptc_ai_system", "tc260_aigc")
"""What `consumer.pictures.marks` writes into every file."""


@dataclass(frozen=True, slots=True)
class ReadyDetails:
    """What an outcome says of its pictures together. `recipe` is that of one of them: model and style are the same."""

    prompt: str
    alt: str
    variation: int
    recipe: Recipe
    photorealistic: bool


class Announcer:
    """Makes the data of ready outcomes. Waits without bound for a store that is down."""

    def __init__(self, store: Store, outage: StoreOutage, disclosure: DisclosureSettings) -> None:
        self._store = store
        self._outage = outage
        self._disclosure = disclosure

    async def ready(
        self, context: JobContext, details: ReadyDetails, pictures: Sequence[FinishedPicture]
    ) -> ImageReady:
        """Return what to announce. Cancelling is safe at any await."""
        request, recipe = context.job.request, details.recipe
        announced = [await self._picture(index, picture) for index, picture in enumerate(pictures)]
        return ImageReady(
            request_id=context.job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.slot,
            variation=details.variation,
            prompt=details.prompt,
            prompt_cut=any(picture.stored.prompt_cut for picture in pictures),
            alt=details.alt,
            pictures=tuple(announced),
            style=ReadyStyle(preset=recipe.style, version=recipe.style_version),
            model=_model(recipe),
            disclosure=self._disclose(photorealistic=details.photorealistic),
            reused=all(picture.reused for picture in pictures),
            seconds=_seconds(context),
        )

    async def _picture(self, index: int, picture: FinishedPicture) -> ReadyPicture:
        stored, made = picture.stored, picture.renditions
        url, expires = await self._address(stored)
        return ReadyPicture(
            index=index,
            url=url,
            url_expires=expires,
            key=stored.key,
            sha256=stored.sha256,
            bytes=stored.bytes_,
            media_type=stored.media_type,
            width=stored.width,
            height=stored.height,
            seed=stored.seed,
            recipe=stored.recipe,
            renditions=tuple([await self._rendition(one) for one in made.renditions]) if made else (),
            renditions_missing=tuple(map(_missing, made.missing)) if made else (),
            focal_point=_focal_point(picture.focal_point),
            thumbhash=made.thumbhash if made else None,
            dominant_colour=made.dominant_colour if made else None,
        )

    async def _rendition(self, rendition: StoredRendition) -> ReadyRendition:
        url, expires = await self._address(rendition)
        return ReadyRendition(
            name=rendition.name,
            set=rendition.set,
            width=rendition.width,
            height=rendition.height,
            media_type=rendition.media_type,
            bytes=rendition.bytes_,
            sha256=rendition.sha256,
            key=rendition.key,
            url=url,
            url_expires=expires,
            crop=_crop(rendition.crop),
        )

    async def _address(self, file: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        return await self._outage.retry_until_up(Operation.ADDRESS, lambda: self._store.url(file))

    def _disclose(self, *, photorealistic: bool) -> Disclosure:
        return Disclosure(
            ai_generated=True,
            photorealistic=photorealistic,
            credit_line=self._disclosure.credit_line,
            marks=MARKS,
        )


def _model(recipe: Recipe) -> ReadyModel:
    model = recipe.model
    adapters = tuple(ReadyAdapter(name=one.name, sha256=one.sha256, scale=one.scale) for one in recipe.adapters)
    return ReadyModel(
        name=model.name,
        sha256=model.sha256,
        coverage=model.coverage,
        quantization=model.quantization,
        adapters=adapters,
    )


def _seconds(context: JobContext) -> ReadySeconds:
    stages = context.timings.stages
    return ReadySeconds(
        queued=stages.get(Stage.QUEUED, 0.0),
        engine=stages.get(Stage.ENGINE, 0.0),
        stored=stages.get(Stage.STORE, 0.0),
        renditions=stages.get(Stage.RENDITIONS, 0.0),
        total=context.timings.total,
    )


def _focal_point(point: FocalPoint) -> ReadyFocalPoint:
    return ReadyFocalPoint(x=point.x, y=point.y, source=point.source)


def _crop(crop: Crop) -> ReadyCrop:
    return ReadyCrop(x=crop.x, y=crop.y, width=crop.width, height=crop.height)


def _missing(rendition: TooWide) -> MissingRendition:
    return MissingRendition(name=rendition.name, set=rendition.set, width=rendition.width, largest=rendition.largest)
