from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from consumer.errors import Overloaded, Unstorable
from consumer.jobs import Master, ModelIdentity, Recipe
from consumer.settings import StorageSettings
from consumer.storage import S3Store, manifest_key, public_policy, stored_picture
from consumer.storage.objects import StoreObjects
from consumer.storage.picture_index import index_key
from consumer.storage.policy import is_public
from consumer.storage.references import PictureUser, entry_key
from schemas import Reason
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED

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
PICTURE = Master(b"x", "image/png", 16, 16)
assert ASKED.use is not None
USER = PictureUser.of(ASKED.use)


class Body:
    """An object's empty body."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self) -> bytes:
        return b""


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

    async def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": Body()}

    async def head_object(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "HeadObject")

    async def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {}


def store(client: Answers) -> S3Store:
    made = S3Store(StorageSettings())
    made._client = client
    made._objects = StoreObjects(client, StorageSettings())
    return made


def refusing(*statuses: int) -> MemoryS3:
    """Return a client that answers each PutObject for a picture with the next status, 0 when there are no more."""
    client, left = MemoryS3(), list(statuses)

    def fails(operation: str, key: str) -> int:
        return left.pop(0) if left and operation == "PutObject" and key.startswith("pictures/") else 0

    client.fails = fails
    return client


async def test_a_conflict_is_retried() -> None:
    """409 means a concurrent write to the same key: the write is repeated, with its condition."""
    client = refusing(409, 409)

    kept = await client.store().keep(RECIPE, PICTURE, ASKED)

    assert client.objects[kept.key] == PICTURE.data


async def test_conflicts_without_end_are_the_requests_affair() -> None:
    """Endless 409 is about one key: its request is retried later, and no other waits for it."""
    with pytest.raises(Unstorable, match=r"pictures/.* 409") as caught:
        await refusing(*[409] * 9).store().keep(RECIPE, PICTURE, ASKED)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


async def test_no_manifest_without_its_object() -> None:
    """If the object could not be written, no manifest lists it; its user has an entry."""
    client = refusing(503)

    with pytest.raises(Overloaded):
        await client.store().keep(RECIPE, PICTURE, ASKED)

    assert list(client.objects) == [entry_key(USER, RECIPE.digest)]


async def test_the_manifest_is_written_last() -> None:
    """Entry, object, index, manifest: whoever dies in between leaves nothing that is announced or forgotten."""
    client = MemoryS3()

    await client.store().keep(RECIPE, PICTURE, ASKED)

    picture = stored_picture(RECIPE, PICTURE)
    assert [key for _, key in client.calls] == [
        entry_key(USER, RECIPE.digest),
        picture.key,
        index_key(picture.sha256),
        manifest_key(RECIPE.digest),
    ]


async def test_a_store_that_ignores_conditions_is_refused() -> None:
    """Accepting a second `If-None-Match: *` would let two workers announce different pictures."""
    with pytest.raises(Overloaded, match="If-None-Match") as caught:
        await store(Answers()).prepare()
    assert caught.value.reason is Reason.MISCONFIGURED


async def test_a_store_that_supports_conditions_is_accepted() -> None:
    """412 on the second write of each probe object passes the check, and the first may be refused: it was there."""
    client = Answers(200, 412, 412, 412)

    await store(client).prepare()

    assert [put["Key"] for put in client.puts] == ["pictures/probe"] * 2 + ["manifests/probe"] * 2
    assert all(put["IfNoneMatch"] == "*" and put["ChecksumSHA256"] for put in client.puts)


@pytest.mark.parametrize(("region", "host"), [("us-east-1", "s3"), ("eu-south-1", "s3.eu-south-1")])
async def test_an_address_on_amazon_names_its_region(region: str, host: str) -> None:
    """Newer regions require it; a bucket name with dots goes into the path, because of the certificate."""
    for bucket, begins in (("news", f"news.{host}.amazonaws.com/p"), ("a.news", f"{host}.amazonaws.com/a.news/p")):
        settings = StorageSettings(bucket=bucket, region=region, access_key_id="k", secret_access_key=SecretStr("s"))
        async with S3Store(settings) as opened:
            address, _ = await opened.url(stored_picture(RECIPE, PICTURE))
        assert address.startswith(f"https://{begins}")


async def test_an_address_expires_with_the_credentials_that_signed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role's credentials last for hours: the address's expiry says so, and the store knows beforehand."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    keys = {
        "Version": 1,
        "AccessKeyId": "k",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": end.isoformat(),
    }
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path / 'keys.json'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    async with S3Store(StorageSettings(presigned_seconds=60)) as opened:
        _, sooner = await opened.url(stored_picture(RECIPE, PICTURE))
    async with S3Store(StorageSettings()) as opened:
        _, expires = await opened.url(stored_picture(RECIPE, PICTURE))
        assert await opened.addresses_end_early()
    assert expires == end
    assert sooner is not None
    assert sooner < end
    lasting = StorageSettings(access_key_id="k", secret_access_key=SecretStr("s"))
    async with S3Store(lasting) as opened:
        assert not await opened.addresses_end_early()


def test_a_policy_is_recognised_however_it_is_written() -> None:
    """AWS returns lists and other principals; a condition, a denial or another prefix is not the same."""
    (ours,) = json.loads(public_policy("news"))["Statement"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    for change in (
        {},
        {"Principal": {"AWS": "*"}},
        {"Action": ["s3:GetObject"]},
        {"Resource": [ours["Resource"], "x"]},
    ):
        assert is_public(json.dumps({"Statement": [deny, ours | change]}), "news")
    others: list[dict[str, object]] = [{"Effect": "Deny"}, {"Condition": {"Bool": {}}}, {"Resource": "news/x/*"}]
    for other in others:
        assert not is_public(json.dumps({"Statement": [deny, ours | other]}), "news")
    assert not is_public("no json", "news")


def test_the_policy_makes_only_pictures_public() -> None:
    """The policy lets everybody read the pictures' prefix and nothing else."""
    (statement,) = json.loads(public_policy("news"))["Statement"]

    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == "arn:aws:s3:::news/pictures/*"
