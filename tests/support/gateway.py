"""A gateway without servers: its board fed by what it publishes and what a test announces, its store in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from fastapi import FastAPI

from consumer.delivery.ports import BusError
from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import KeyFile, make_key
from consumer.gateway.access.principal import Scope
from consumer.gateway.access.quota import DailyQuota
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.app import make_app
from consumer.gateway.board.board import Board, Change
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.bus_link import BusLink
from consumer.gateway.bus_publisher import BusPublisher, LinkedPublisher
from consumer.gateway.feed import FOLLOWED, Feed
from consumer.gateway.preferences import Preferences
from consumer.gateway.publishing import Publishing
from consumer.gateway.services import Gateway
from consumer.jobs import Record
from consumer.pictures.rendition_file import load_renditions
from consumer.processing.styles import load_styles
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.described import DescribedAnswers
from tests.support.s3_memory import MemoryS3

SOURCES = ("/cms/times", "/cms/post")
"""Sources of the two keys that every such gateway has, each with all scopes but `admin`."""

_SCOPES = [scope for scope in Scope if scope is not Scope.ADMIN]


def caught_up_link() -> BusLink:
    """Return the link of a gateway that has read everything."""
    link = BusLink()
    link.found()
    link.caught_up()
    return link


class MemoryPublisher:
    """Publishes into a list, with rising offsets; `down` makes it fail as Kafka does when no broker answers."""

    def __init__(self, topic: str) -> None:
        self.link = caught_up_link()
        self.records: list[Record] = []
        self.kept: list[Record] = []
        self.down = False
        self._topic = topic

    async def publish(self, event: Event) -> Record:
        """Append a record, after other tasks could run, as they do while a broker answers."""
        await asyncio.sleep(0)
        if self.down:
            raise BusError("the test set `down`")
        headers, value = write(event)
        key = (event.subject or "").encode()
        place = (0, len(self.records))
        self.records.append(Record(self._topic, *place, key, value, tuple(headers), 1_000 + len(self.records)))
        return self.records[-1]

    async def put(self, base: str, key: bytes, value: bytes | None) -> Record:
        """Append to a compacted topic, likewise."""
        await asyncio.sleep(0)
        if self.down:
            raise BusError("the test set `down`")
        self.kept.append(Record(base, 0, len(self.kept), key, value, (), 1_000 + len(self.kept)))
        return self.kept[-1]


@dataclass(eq=False)
class GatewayBench:
    """The gateway, its client by ASGI, and what stands in for Kafka and S3. `tokens`: a key by source."""

    gateway: Gateway
    client: httpx2.AsyncClient
    publisher: MemoryPublisher
    s3: MemoryS3
    tokens: Mapping[str, str]
    announced: int = 0

    @property
    def published(self) -> list[Record]:
        """What was published, oldest first."""
        return self.publisher.records

    def bearer(self, source: str = SOURCES[0]) -> dict[str, str]:
        """Return the header with the key of a source."""
        return {"authorization": f"Bearer {self.tokens[source]}"}

    async def call(
        self, method: str, path: str, body: object = None, source: str = SOURCES[0], **headers: str
    ) -> httpx2.Response:
        """Call with a source's key, and a body as JSON if there is one; bytes are sent as they are."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            method, path, content=content, headers={**self.bearer(source), **kind, **named}
        )

    async def ask(self, data: Mapping[str, Any], source: str = SOURCES[0]) -> dict[str, Any]:
        """Publish a request by `POST /v1/images`, and return its details."""
        answer = await self.call("POST", "/v1/images", data, source)
        assert answer.status_code == 202, answer.text
        details: dict[str, Any] = answer.json()
        return details

    def announce(self, kind: str, image: Mapping[str, Any], **data: Any) -> Change | None:
        """Have a worker announce `ready`, `failed`, `progress` or another kind about an image that was asked for."""
        article = {"id": image["article"]["id"], "revision": image["article"].get("revision")}
        slot = data.pop("slot", image.get("slot"))
        event = Event(
            id=f"{kind}-{image['id']}-{slot}",
            source="/leadart/test",
            type=f"{names.TYPE_PREFIX}{kind}.v1",
            subject=article["id"],
            extensions={"causationid": str(image["id"])},
            data={"request_id": image["id"], "article": article, "slot": slot, **data},
        )
        headers, value = write(event)
        topic = names.PROGRESS if kind == "progress" else names.OUTCOME
        settings, offset = self.gateway.settings, self.announced
        self.announced += 1
        return self.take(
            Record(
                settings.topics.named(topic), 0, offset, article["id"].encode(), value, tuple(headers), 2_000 + offset
            )
        )

    def take(self, record: Record) -> Change | None:
        """Read a record as the feed does."""
        board = self.gateway.board
        change = board.take(record)
        if change is not None:
            self.gateway.broadcast.send(change, board.position.encode())
        return change


def ready(*digests: str, renditions: Mapping[str, str] | None = None, **parts: Any) -> dict[str, Any]:
    """Return what a ready outcome says beside its article: a picture by digest each, 64x64.

    `renditions`: media types by name, for each picture.
    """
    return {
        "variation": 0,
        "prompt": "Storm",
        "alt": "A draft.",
        "pictures": [_picture(index, digest, renditions or {}) for index, digest in enumerate(digests)],
        "style": {"preset": "default", "version": 1},
        "model": {"name": "swatch", "sha256": "c" * 64},
        "reused": False,
        "seconds": {"queued": 0.0, "engine": 0.0, "stored": 0.0, "total": 0.0},
        **parts,
    }


def _picture(index: int, digest: str, renditions: Mapping[str, str]) -> dict[str, Any]:
    key = f"pictures/{digest[:2]}/{digest}.png"
    return {
        "index": index,
        "url": f"https://pictures.test/{key}",
        "key": key,
        "sha256": digest,
        "bytes": 10,
        "media_type": "image/png",
        "width": 64,
        "height": 64,
        "seed": 1,
        "recipe": "d" * 64,
        "renditions": [_rendition(name, kind, digest) for name, kinds in renditions.items() for kind in kinds.split()],
    }


def _rendition(name: str, media_type: str, digest: str) -> dict[str, Any]:
    suffix = media_type.partition("/")[2]
    key = f"pictures/of/{digest[:8]}-{name}.{suffix}"
    return {
        "name": name,
        "set": name.partition("-")[0],
        "width": 32,
        "height": 32,
        "media_type": media_type,
        "bytes": {"avif": 10, "webp": 20, "jpeg": 30}.get(suffix, 40),
        "sha256": digest,
        "key": key,
        "url": f"https://pictures.test/{key}",
        "crop": {"x": 0, "y": 0, "width": 64, "height": 64},
    }


_DESCRIBED: list[DescribedAnswers] = []


def _described(app: FastAPI) -> DescribedAnswers:
    """Return the description of all these gateways: they have one and the same, which takes a while to make."""
    if not _DESCRIBED:
        _DESCRIBED.append(DescribedAnswers(app))
    return _DESCRIBED[0]


@asynccontextmanager
async def open_bench(**settings: Mapping[str, Any]) -> AsyncIterator[GatewayBench]:
    """Open a gateway that follows the bus; `settings` by section. Every answer has to be as OpenAPI describes it."""
    tree = Settings.model_validate(settings)
    board = Board(tree.gateway.history_mib * 1024 * 1024, {tree.topics.named(base): base for base in FOLLOWED})
    broadcast, styles = Broadcast(), load_styles(tree.styles.file)
    publisher = MemoryPublisher(tree.topics.named(names.REQUESTED))
    quota = DailyQuota(board, tree.gateway.pictures_per_day)
    feed = Feed(tree, board, broadcast)
    feed.link = caught_up_link()
    s3 = MemoryS3()
    made = [make_key(source, _SCOPES) for source in SOURCES]
    gateway = Gateway(
        settings=tree,
        board=board,
        broadcast=broadcast,
        feed=feed,
        publisher=cast("BusPublisher", publisher),
        publishing=Publishing(LinkedPublisher(publisher, feed.link), board, broadcast, styles, quota),
        preferences=Preferences(LinkedPublisher(publisher, caught_up_link())),
        styles=styles,
        renditions=load_renditions(tree.renditions.file),
        picture_address="https://pictures.test/leadart/any",
        store=s3.store(**settings.get("storage", {})),
        keys=KeyFile(keys=tuple(key for key, _ in made)),
        signer=GrantSigner(tree.gateway.secret),
        rates=CallerRates(tree.gateway.requests_per_second),
    )
    app = make_app(gateway)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    checks = {"response": [_described(app).check]}
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway.test", event_hooks=checks) as client:
        yield GatewayBench(
            gateway, client, publisher, s3, {source: token for source, (_, token) in zip(SOURCES, made, strict=True)}
        )
