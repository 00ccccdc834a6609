"""The other side as a process: a plain FastStream handler with the default settings.

The handler validates the same records in the same way and awaits one publish of an outcome as large as ours, made
beforehand. Run `python -m consumer.dev.bench.theirs` with the settings in the environment; SIGTERM stops it.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any, cast

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from consumer.dev.bench.cms import HEADLINE
from consumer.processing.announcing import MARKS
from consumer.settings import DisclosureSettings, Settings, load_settings
from schemas import (
    ArticleRevision,
    Disclosure,
    FocalSource,
    ImageReady,
    ReadyFocalPoint,
    ReadyModel,
    ReadyPicture,
    ReadySeconds,
    ReadyStyle,
    names,
)
from schemas.cloudevents import Event, write
from schemas.reader import parse_request


def outcome(source: str, request_id: str, article_id: str) -> tuple[dict[str, str], bytes]:
    """Return headers and value of a ready outcome with one picture."""
    event = Event(
        id=_digest("outcome"),
        source=source,
        type=names.IMAGE_READY,
        subject=article_id,
        time=datetime.now(UTC),
        dataschema=names.dataschema(names.IMAGE_READY),
        extensions={"correlationid": request_id, "causationid": request_id, "partitionkey": article_id},
        data=_data(request_id, article_id).model_dump(mode="json"),
    )
    headers, value = write(event)
    return {name: text.decode() for name, text in headers}, value


def _data(request_id: str, article_id: str) -> ImageReady:
    return ImageReady(
        request_id=request_id,
        article=ArticleRevision(id=article_id, revision=1),
        slot="hero",
        variation=0,
        prompt=f"{HEADLINE}. An editorial picture for the front page of a newspaper.",
        alt=HEADLINE,
        pictures=(_picture(),),
        style=ReadyStyle(preset="default", version=1),
        model=ReadyModel(name="empty", sha256=_digest("model")),
        disclosure=Disclosure(
            ai_generated=True,
            photorealistic=False,
            credit_line=DisclosureSettings().credit_line,
            marks=MARKS,
        ),
        reused=False,
        seconds=ReadySeconds(queued=0.0001, engine=0.0, stored=0.0001, total=0.0338),
    )


def _picture() -> ReadyPicture:
    sha256 = _digest("picture")
    key = f"pictures/{sha256[:2]}/{sha256}.png"
    return ReadyPicture(
        index=0,
        url=f"https://pictures.invalid/{key}",
        key=key,
        sha256=sha256,
        bytes=13,
        media_type="image/png",
        width=1,
        height=1,
        seed=2**52,
        recipe=_digest("recipe"),
        focal_point=ReadyFocalPoint(x=0.5, y=0.5, source=FocalSource.CENTRE),
        url_expires=None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def application(settings: Settings) -> FastStream:
    """Return an application with one subscriber, FastStream's default acknowledgement and one publish."""
    servers = settings.kafka.bootstrap_servers
    broker = KafkaBroker(servers) if settings.log.level == "info" else KafkaBroker(servers, logger=None)
    outcomes = settings.topics.named(names.OUTCOME)
    headers, value = outcome(settings.source, 32 * "0", HEADLINE)

    async def answer(message: KafkaMessage) -> None:
        record = cast("Any", message.raw_message)  # aiokafka's: a batch only where one asks for it
        event, _ = parse_request(record.key, record.headers, record.value)
        stamped = {**headers, "ce_causationid": event.id}
        await broker.publish(value, topic=outcomes, key=record.key, partition=record.partition, headers=stamped)

    broker.subscriber(settings.topics.named(names.REQUESTED), group_id=settings.kafka.group_id)(answer)
    return FastStream(broker)


if __name__ == "__main__":
    asyncio.run(application(load_settings()).run())
