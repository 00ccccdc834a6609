from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from consumer.errors import Overloaded
from consumer.jobs import ModelIdentity, Recipe, Rendition
from consumer.settings import StorageSettings
from consumer.storage import S3Store, public_policy
from schemas import Reason

RECIPE = Recipe(
    prompt="x",
    negative_prompt="",
    model=ModelIdentity(name="swatch", sha256="00"),
    adapters=(),
    width=16,
    height=16,
    steps=1,
    guidance_scale=0.0,
    seed=1,
    style="default",
    style_version=1,
)
PICTURE = Rendition(b"x", "image/png", 16, 16)


class Answers:
    """An S3 client that answers each PutObject with the next status on its list, and 200 when there are no more."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.puts: list[dict[str, Any]] = []

    async def put_object(self, **request: Any) -> dict[str, Any]:
        self.puts.append(request)
        status = self._statuses.pop(0) if self._statuses else 200
        if status != 200:
            code = {409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}[status]
            metadata = {"HTTPStatusCode": status}
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "PutObject")
        return {}

    async def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {}


def store(client: Answers) -> S3Store:
    made = S3Store(StorageSettings())
    made._client = client
    return made


async def test_a_conflict_is_tried_again() -> None:
    """409 means that somebody writes the same key right now: the write is repeated, with its condition."""
    client = Answers(409, 409)

    await store(client).keep(RECIPE, PICTURE)

    assert [put["IfNoneMatch"] for put in client.puts] == ["*"] * 4
    assert client.puts[0]["Key"] == client.puts[2]["Key"] != client.puts[3]["Key"]


async def test_conflicts_without_end_are_given_up() -> None:
    """A store that answers 409 for ever is in trouble; the job waits like in any other outage."""
    with pytest.raises(Overloaded) as caught:
        await store(Answers(*[409] * 9)).keep(RECIPE, PICTURE)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


async def test_no_manifest_without_its_object() -> None:
    """When the object could not be written, no manifest promises it."""
    client = Answers(503)

    with pytest.raises(Overloaded):
        await store(client).keep(RECIPE, PICTURE)

    assert [put["Key"].split("/")[0] for put in client.puts] == ["pictures"]


async def test_a_store_that_ignores_conditions_is_refused() -> None:
    """A store that lets a second `If-None-Match: *` through would let two workers announce different pictures."""
    with pytest.raises(Overloaded, match="If-None-Match") as caught:
        await store(Answers()).prepare()
    assert caught.value.reason is Reason.MISCONFIGURED


async def test_a_store_that_honours_conditions_is_accepted() -> None:
    """412 on the second write is what the check wants to see."""
    client = Answers(200, 412)

    await store(client).prepare()

    assert len(client.puts) == 2


def test_the_policy_opens_the_pictures_only() -> None:
    """The public policy grants reading, to everybody, of the pictures' prefix and of nothing else."""
    (statement,) = json.loads(public_policy("news"))["Statement"]

    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == "arn:aws:s3:::news/pictures/*"
