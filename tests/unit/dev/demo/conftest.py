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
from consumer.jobs import Job, Lane, ModelIdentity, Paintable, Recipe, Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.prompting import make_plan
from consumer.processing.styles import Styles, load_styles
from consumer.settings import Settings
from schemas import (
    ArticleRevision,
    ContractError,
    ImageReady,
    ReadyAdapter,
    ReadyModel,
    ReadyPicture,
    ReadySeconds,
    ReadyStyle,
    names,
)
from schemas.cloudevents import write
from schemas.reader import parse_request

MODEL = ModelIdentity("tiny-random", "ab" * 32)


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
    outbox = OutcomeBuilder(Settings())
    headers, value = write(save.event)
    asked = Record(names.REQUESTED, 1, 7, save.key.encode(), value, tuple(headers), 1_790_000_000_000)
    try:
        event, request = parse_request(asked.key, asked.headers, asked.value)
    except ContractError as error:
        letters = outbox.failed(RetryState(asked), Rejected(error.reason, error.message, field=error.field)).records
        return [record_of(letter) for letter in letters]
    job = Job(event, request, asked, Lane.LIVE)
    brief = make_plan(request, styles, Paintable(MODEL, loaded))
    adapters = tuple(ReadyAdapter(**asdict(adapter)) for adapter in brief.recipes[0].adapters)
    ready = ImageReady(
        request_id=event.id,
        article=ArticleRevision(id=request.article.id, revision=request.article.revision),
        slot=request.output.slot,
        variation=0,
        prompt=brief.prompt,
        alt=brief.alt,
        pictures=tuple(picture_of(index, recipe) for index, recipe in enumerate(brief.recipes)),
        style=ReadyStyle(preset=brief.style.name, version=brief.style.version),
        model=ReadyModel(name=MODEL.name, sha256=MODEL.sha256, adapters=adapters),
        reused=save.expected.reused,
        seconds=ReadySeconds(queued=0.1, engine=0.8, stored=0.2, total=1.2),
    )
    return [record_of(letter) for letter in outbox.ready(job, ready, {}).records]


def record_of(letter: OutgoingRecord) -> Record:
    return Record(letter.topic, letter.partition, 3, letter.key, letter.value, letter.headers, 1_790_000_000_500)


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


def png(recipe: Recipe) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (recipe.width, recipe.height), f"#{recipe.digest[:6]}").save(buffer, "PNG")
    return buffer.getvalue()


def fetched(picture: ReadyPicture) -> Download:
    return Download(picture, Path("pictures") / f"{picture.sha256}.png", ())
