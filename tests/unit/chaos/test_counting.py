from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiokafka.structs import ConsumerRecord

from schemas import names
from tests.chaos.counting import count
from tests.chaos.load import Asked, make_load
from tests.support.harness import Cms, Site

SITE = Site({"LEADART_TOPICS__PREFIX": ""})
PICTURE = b"picture"
LOAD = make_load(1)
VALID = next(asked for asked in LOAD if asked.due == names.IMAGE_READY)
INVALID = next(asked for asked in LOAD if asked.due == names.IMAGE_FAILED)


@dataclass
class Heard(Cms):
    """A CMS that has heard all it will ever hear."""

    async def settle(self) -> None:
        """Nothing more comes."""


def heard(*records: ConsumerRecord[bytes, bytes]) -> Heard:
    return Heard(SITE, None, None, list(records))


def record(topic: str, data: dict[str, Any], **headers: str) -> ConsumerRecord[bytes, bytes]:
    pairs = [(f"ce_{name}", value.encode()) for name, value in headers.items()]
    return ConsumerRecord(topic, 0, 0, 0, 0, b"", json.dumps(data).encode(), None, 0, 0, pairs)


def outcome(
    asked: Asked, kind: str | None = None, article: Asked | None = None, **more: Any
) -> ConsumerRecord[Any, Any]:
    of = article or asked
    data = {"request_id": asked.id, "article": {"id": of.article, "revision": of.revision}, **more}
    return record(names.OUTCOME, data, type=kind or asked.due)


def letter(asked: Asked) -> ConsumerRecord[bytes, bytes]:
    return record(names.DEAD_LETTER, {}, id=asked.id)


ALL_WELL = (outcome(VALID), outcome(INVALID), letter(INVALID))


@asynccontextmanager
async def gallery() -> AsyncIterator[str]:
    """Serve one picture."""

    async def picture(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    application = web.Application()
    application.router.add_get("/picture", picture)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("records", "faults"),
    [
        (ALL_WELL, (0, 0, 0)),
        (ALL_WELL[1:], (1, 0, 0)),
        (ALL_WELL[:2], (1, 0, 0)),
        ((*ALL_WELL, outcome(VALID)), (0, 1, 0)),
        ((*ALL_WELL, letter(INVALID), letter(INVALID)), (0, 2, 0)),
        ((outcome(VALID, names.IMAGE_FAILED), *ALL_WELL[1:]), (0, 0, 1)),
        ((outcome(VALID, article=INVALID), *ALL_WELL[1:]), (0, 0, 1)),
    ],
    ids=["all well", "no outcome", "no dead letter", "two outcomes", "three letters", "wrong kind", "wrong article"],
)
async def test_every_fault_is_counted(
    records: tuple[ConsumerRecord[Any, Any], ...], faults: tuple[int, int, int]
) -> None:
    """Lost, doubled and wrong are told apart, for outcomes and for dead letters."""
    counted = await count(heard(*records), heard(*records), (VALID, INVALID))

    assert (counted.lost, counted.doubled, counted.wrong) == faults


async def test_pictures_are_fetched_and_compared() -> None:
    """A picture that is there and has its digest is good; other bytes, and no picture, are not."""
    async with gallery() as address:
        pictures = [
            {"key": "good", "sha256": hashlib.sha256(PICTURE).hexdigest(), "url": f"{address}/picture"},
            {"key": "bad", "sha256": hashlib.sha256(b"other").hexdigest(), "url": f"{address}/picture"},
            {"key": "gone", "sha256": hashlib.sha256(b"gone").hexdigest(), "url": f"{address}/gone"},
        ]
        told = heard(outcome(VALID, pictures=pictures))
        counted = await count(told, told, (VALID,))

    assert (counted.pictures, counted.mismatched) == (3, 2)


async def test_copies_that_were_never_committed_are_told() -> None:
    """What only a read-uncommitted subscriber saw counts as aborted, not as doubled."""
    counted = await count(heard(*ALL_WELL), heard(*ALL_WELL, outcome(VALID)), (VALID, INVALID))

    assert (counted.aborted, counted.doubled) == (1, 0)


def test_a_load_is_made_of_its_seed() -> None:
    """The same seed asks for the same, another for something else; one in twenty is invalid, two lanes are used."""
    assert make_load(1) == LOAD
    assert [asked.data for asked in make_load(2)] != [asked.data for asked in LOAD]
    assert sum(asked.due == names.IMAGE_FAILED for asked in LOAD) == 2
    assert {asked.topic for asked in make_load(3, count=200)} == {names.REQUESTED, names.BACKFILL}
