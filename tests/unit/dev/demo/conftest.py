"""An edition answered as it should be, made by the worker's own outbox; tests then break one thing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pytest
from PIL import Image

from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.retry import RetryState
from consumer.dev.demo.articles import ArticleSave, load_edition
from consumer.dev.demo.downloads import Download
from consumer.dev.demo.tickets import EditionDesk
from consumer.errors import Rejected
from consumer.jobs import FILE_SUFFIXES, Job, Lane, ModelIdentity, Paintable, Recipe, Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.prompting import PaintPlan, make_plan
from consumer.processing.styles import Styles, load_styles
from consumer.settings import Settings
from schemas import (
    ArticleRevision,
    ContractError,
    Disclosure,
    ImageReady,
    ImageRequested,
    MissingRendition,
    ReadyAdapter,
    ReadyCrop,
    ReadyFocalPoint,
    ReadyModel,
    ReadyPicture,
    ReadyRendition,
    ReadySeconds,
    ReadyStyle,
    names,
)
from schemas.cloudevents import write
from schemas.pictures import FocalSource
from schemas.reader import parse_request

MODEL = ModelIdentity("tiny-random", "ab" * 32, quantization="fp8")


@pytest.fixture(scope="session")
def styles() -> Styles:
    return load_styles()


@pytest.fixture
def desk(styles: Styles) -> EditionDesk:
    """The whole edition, every save answered as it should be."""
    desk = EditionDesk(load_edition())
    for ticket in desk.tickets:
        ticket.published = 0.0
        for record in answers_to(ticket.save, styles):
            desk.take(record)
        ticket.seconds = 1.25
        ticket.downloads = [fetched(picture) for picture in (ticket.ready.pictures if ticket.ready else ())]
    return desk


def answers_to(save: ArticleSave, styles: Styles, loaded: Mapping[str, str] = MappingProxyType({})) -> list[Record]:
    """Return the records by which the worker answers a save."""
    outcomes = OutcomeBuilder(Settings())
    headers, value = write(save.event)
    asked = Record(names.REQUESTED, 1, 7, save.key.encode(), value, tuple(headers), 1_790_000_000_000)
    try:
        event, request = parse_request(asked.key, asked.headers, asked.value)
    except ContractError as error:
        failed = outcomes.failed(RetryState(asked), Rejected(error.reason, error.message, field=error.field))
        return [record_of(one) for one in failed.records]
    assert isinstance(request, ImageRequested)
    plan = make_plan(request, styles, Paintable(MODEL, loaded))
    ready = ready_of(event.id, request, plan, reused=save.expected.reused)
    return [record_of(one) for one in outcomes.ready(Job(event, request, asked, Lane.LIVE), ready, {}).records]


def ready_of(request_id: str, request: ImageRequested, plan: PaintPlan, *, reused: bool) -> ImageReady:
    recipes = plan.recipes
    adapters = tuple(ReadyAdapter(**asdict(adapter)) for adapter in recipes[0].adapters)
    return ImageReady(
        request_id=request_id,
        article=ArticleRevision(id=request.article.id, revision=request.article.revision),
        slot=request.output.slot,
        variation=0,
        prompt=plan.prompt,
        alt=plan.alt,
        pictures=tuple(
            with_renditions(picture_of(index, recipe), len(recipes)) for index, recipe in enumerate(recipes)
        ),
        style=ReadyStyle(preset=plan.style.name, version=plan.style.version),
        model=ReadyModel(name=MODEL.name, sha256=MODEL.sha256, quantization=MODEL.quantization, adapters=adapters),
        disclosure=Disclosure(
            ai_generated=True, photorealistic=False, credit_line="Illustration: by machine", marks=("tc260_aigc",)
        ),
        reused=reused,
        seconds=ReadySeconds(queued=0.1, engine=0.8, stored=0.2, total=1.2),
    )


def record_of(one: OutgoingRecord) -> Record:
    return Record(one.topic, one.partition, 3, one.key, one.value, one.headers, 1_790_000_000_500)


def picture_of(index: int, recipe: Recipe) -> ReadyPicture:
    data = png(recipe)
    digest = hashlib.sha256(data).hexdigest()
    return ReadyPicture(
        index=index,
        url=f"http://127.0.0.1:1/leadart/pictures/{digest}.png",
        key=f"pictures/{digest}.png",
        sha256=digest,
        bytes=len(data),
        media_type="image/png",
        width=recipe.width,
        height=recipe.height,
        seed=recipe.seed,
        recipe=recipe.digest,
    )


SHAPES = {
    "hero": (16 / 9, ("image/avif", "image/webp")),
    "landscape": (4 / 3, ("image/avif", "image/webp")),
    "square": (1.0, ("image/webp",)),
    "social": (1200 / 630, ("image/jpeg",)),
    "thumb": (None, ("image/webp",)),
}


def with_renditions(picture: ReadyPicture, variants: int) -> ReadyPicture:
    """Announce a picture as the worker does: of several variants the thumb alone, else every shape."""
    renditions = tuple(
        rendition_of(picture, shape, ratio or picture.width / picture.height, media_type)
        for shape, (ratio, media_types) in SHAPES.items()
        for media_type in media_types
        if variants == 1 or shape == "thumb"
    )
    missing = MissingRendition(name="hero-960", set="hero", width=960, largest=picture.width)
    return picture.model_copy(
        update={
            "renditions": renditions,
            "renditions_missing": (missing,) if variants == 1 else (),
            "focal_point": ReadyFocalPoint(x=0.4, y=0.6, source=FocalSource.FOUND),
            "thumbhash": "3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
            "dominant_colour": "#3a5068",
        }
    )


def rendition_of(picture: ReadyPicture, shape: str, ratio: float, media_type: str) -> ReadyRendition:
    width = min(picture.width, round(picture.height * ratio))
    height = min(picture.height, round(width / ratio))
    digest = hashlib.sha256(f"{picture.sha256} {shape} {media_type}".encode()).hexdigest()
    key = f"pictures/{digest}.{FILE_SUFFIXES[media_type]}"
    crop = ReadyCrop(x=0, y=(picture.height - height) // 2, width=width, height=height)
    return ReadyRendition(
        name=f"{shape}-{width}",
        set=shape,
        width=width,
        height=height,
        media_type=media_type,
        bytes=40 if media_type == "image/avif" else 60,
        sha256=digest,
        key=key,
        url=f"http://127.0.0.1:1/leadart/{key}",
        crop=crop,
    )


def png(recipe: Recipe) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (recipe.width, recipe.height), f"#{recipe.digest[:6]}").save(buffer, "PNG")
    return buffer.getvalue()


def fetched(picture: ReadyPicture) -> Download:
    files = [Path("pictures") / Path(file.key).name for file in picture.renditions]
    return Download(picture, Path("pictures") / f"{picture.sha256}.png", (), tuple(files))
