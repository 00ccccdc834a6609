"""Who gets in at the store: the documented policies on a real one, whole and with each right taken away."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from consumer.dev.embedded import S3Server
from consumer.dev.embedded.kafka import KafkaServer
from consumer.errors import Overloaded
from consumer.jobs import Master, Use
from consumer.settings import StorageSettings
from consumer.storage import S3Store
from consumer.storage.archive import Sweep, UnchosenRule, open_archive
from schemas import Reason
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers
from tests.support.samples import ASKED, RECIPE

DOCUMENT = Path(__file__).parents[2] / "docs/operations/access.md"
BUCKET, MANIFESTS = "leadart", "leadart-manifests"
WHOLE, SWEEPER, WITHDRAWING = "whole", "sweeper", "withdrawing"

Statement = dict[str, Any]


def documented(who: str) -> list[Statement]:
    """Return a policy of the document, a statement for each single right: one action on one resource."""
    policies = [
        text for text in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if '"Statement"' in text
    ]
    policy = dict(zip((WHOLE, SWEEPER, WITHDRAWING), policies, strict=True))[who]
    return [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for statement in json.loads(policy)["Statement"]
        for action in _each(statement["Action"])
        for resource in _each(statement["Resource"])
    ]


def _each(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def named(right: Statement) -> str:
    return f"{right['Action']} {right['Resource'].rpartition(':')[2]}"


RIGHTS = {named(right): right for right in documented(WHOLE)}
LACKING = {right: f"lacks-{number}" for number, right in enumerate(RIGHTS)}
"""For each right the user who has all the others."""

SWEEPS = {named(right): right for right in documented(SWEEPER)}
NOT_SWEEPING = {right: f"sweeps-without-{number}" for number, right in enumerate(SWEEPS)}
"""The same of who deletes."""


class GuardedStore(S3Server):
    """A store that knows an administrator, a worker with the documented policy, and one for each right it lacks."""

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command, _ = super()._command()
        policies = {who: documented(who) for who in (WHOLE, SWEEPER)}
        policies[WITHDRAWING] = [*documented(WHOLE), *documented(WITHDRAWING)]
        for rights, without in ((RIGHTS, LACKING), (SWEEPS, NOT_SWEEPING)):
            policies |= {
                who: [right for name, right in rights.items() if name != lack] for lack, who in without.items()
            }
        admin = {
            "name": "admin",
            "credentials": [_keys(self.access_key_id, self.secret_access_key)],
            "actions": ["Admin"],
        }
        users = [
            {"name": who, "credentials": [_keys(who, secret(who))], "actions": [], "policyNames": [who]}
            for who in policies
        ]
        contents = [
            {"name": who, "content": json.dumps({"Version": "2012-10-17", "Statement": statements})}
            for who, statements in policies.items()
        ]
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [admin, *users], "policies": contents}))
        return [*command, f"-s3.config={config}"], {}


def secret(who: str) -> str:
    return f"secret-of-{who}"


def _keys(who: str, key: str) -> dict[str, str]:
    return {"accessKey": who, "secretKey": key}


@pytest.fixture(scope="module")
def store(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedStore]:
    assert s3.running  # so that a machine without the embedded extra skips here
    with GuardedStore(tmp_path_factory.mktemp("guarded-s3")) as server:
        asyncio.run(make_buckets(server))
        yield server


async def make_buckets(server: GuardedStore) -> None:
    keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    places = {"endpoint_url": server.endpoint_url, "bucket": BUCKET, "manifest_bucket": MANIFESTS}
    async with S3Store(StorageSettings.model_validate(keys | places)) as administrator:
        await administrator.prepare(create=True)


def site_of(kafka: KafkaServer, store: GuardedStore, who: str) -> Site:
    return Site.fresh(
        kafka,
        store,
        STORAGE__BUCKET=BUCKET,
        STORAGE__MANIFEST_BUCKET=MANIFESTS,
        STORAGE__ACCESS_KEY_ID=who,
        STORAGE__SECRET_ACCESS_KEY=secret(who),
    )


async def test_the_documented_policy_is_enough(kafka: KafkaServer, store: GuardedStore, tmp_path: Path) -> None:
    """A worker with exactly these rights makes a picture, announces where it is, and finds it again."""
    site = site_of(kafka, store, WHOLE)
    assert site.run("topics", "apply", "--start", "earliest").returncode == 0
    with workers(site, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(request_data("a-1")))
            second = await answer(desk, await desk.ask(request_data("a-1", revision=2)))

    assert second["reused"]
    (picture,) = first["pictures"]
    async with aiohttp.ClientSession() as session, session.get(picture["url"]) as response:
        assert hashlib.sha256(await response.read()).hexdigest() == picture["sha256"]


FORBIDDEN: dict[str, tuple[str, dict[str, Any]]] = {
    "delete a picture": ("delete_object", {"Bucket": BUCKET, "Key": "pictures/x"}),
    "write elsewhere": ("put_object", {"Bucket": BUCKET, "Key": "elsewhere/x", "Body": b""}),
    "put a picture among the manifests": ("put_object", {"Bucket": MANIFESTS, "Key": "pictures/x", "Body": b""}),
    "open the bucket": ("put_bucket_policy", {"Bucket": BUCKET, "Policy": "{}"}),
    "make a bucket": ("create_bucket", {"Bucket": "another"}),
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_the_documented_policy_is_not_more(kafka: KafkaServer, store: GuardedStore, what: str) -> None:
    """What a worker has no business with is refused to its keys."""
    call, arguments = FORBIDDEN[what]
    async with S3Store(site_of(kafka, store, WHOLE).settings.storage) as opened:
        with pytest.raises(ClientError, match="AccessDenied"):
            await getattr(opened._client, call)(**arguments)


REFUSED = r"the store refused \w+: .*s3:GetObject, s3:PutObject and s3:ListBucket"


async def the_whole_way(store: S3Store, picture: Master) -> None:
    """Do all that a worker does with a store."""
    await store.prepare()
    await store.find(RECIPE)
    await store.keep(RECIPE, picture, ASKED)
    await store.find(RECIPE)


@pytest.mark.parametrize("right", RIGHTS)
async def test_each_missing_right_is_told(kafka: KafkaServer, store: GuardedStore, right: str) -> None:
    """Without any single right the way of a picture stops with the refused call and what the keys should be allowed."""
    async with S3Store(site_of(kafka, store, LACKING[right]).settings.storage) as opened:
        with pytest.raises(Overloaded, match=REFUSED) as told:
            await the_whole_way(opened, Master(data=right.encode(), media_type="image/png", width=512, height=512))

    assert told.value.reason is Reason.MISCONFIGURED
    assert secret(LACKING[right]) not in str(told.value)


async def sweep(settings: StorageSettings) -> int:
    """Delete what nobody chose, however young; return how many pictures that were."""
    async with open_archive(settings) as archive:
        rule = UnchosenRule(datetime.now(UTC) + timedelta(hours=1), frozenset(["thumb"]))
        run = Sweep(archive, rule, timedelta(0))
        await run.withdraw(await run.find(lambda _share: None))
        return (await run.finish()).pictures


async def _offer(kafka: KafkaServer, store: GuardedStore, name: str) -> None:
    async with S3Store(site_of(kafka, store, WHOLE).settings.storage) as opened:
        picture = Master(data=name.encode(), media_type="image/png", width=8, height=8)
        await opened.keep(replace(RECIPE, prompt=name), picture, replace(ASKED, variants=3))


async def test_the_documented_policy_of_a_sweep_is_enough(kafka: KafkaServer, store: GuardedStore) -> None:
    """With exactly these rights what nobody chose is deleted."""
    await _offer(kafka, store, "to be swept")

    assert await sweep(site_of(kafka, store, SWEEPER).settings.storage) >= 1


@pytest.mark.parametrize("right", SWEEPS)
async def test_each_right_missing_for_a_sweep_is_told(kafka: KafkaServer, store: GuardedStore, right: str) -> None:
    """Without any single right it stops with the refused call, and one that has them all finishes."""
    await _offer(kafka, store, right)
    with pytest.raises(Overloaded, match=r"the store refused \w+: .*s3:"):
        await sweep(site_of(kafka, store, NOT_SWEEPING[right]).settings.storage)

    assert await sweep(site_of(kafka, store, SWEEPER).settings.storage) >= 1


async def test_a_workers_keys_delete_nothing(kafka: KafkaServer, store: GuardedStore) -> None:
    """The sentence says whose keys are needed, and the picture is still there."""
    await _offer(kafka, store, "worker")
    with pytest.raises(Overloaded, match="need keys that allow s3:DeleteObject"):
        await sweep(site_of(kafka, store, WHOLE).settings.storage)

    assert await sweep(site_of(kafka, store, SWEEPER).settings.storage) >= 1


async def test_a_withdrawal_waits_for_keys_that_may_delete(kafka: KafkaServer, store: GuardedStore) -> None:
    """With a worker's keys it says which right it lacks; with the documented one beside them it is finished."""
    picture = Master(data=b"to be withdrawn", media_type="image/png", width=8, height=8)
    recipe = replace(RECIPE, prompt="to be withdrawn")
    async with S3Store(site_of(kafka, store, WHOLE).settings.storage) as opened:
        await opened.keep(recipe, picture, replace(ASKED, use=Use("a-w", "hero")))
        with pytest.raises(Overloaded, match="need keys that allow s3:DeleteObject"):
            await opened.withdraw("a-w", None, "0:1")

    async with S3Store(site_of(kafka, store, WITHDRAWING).settings.storage) as opened:
        assert len((await opened.withdraw("a-w", None, "0:1")).objects) == 1
        assert await opened.find(recipe) is None


def test_a_worker_that_may_not_write_says_so(kafka: KafkaServer, store: GuardedStore, tmp_path: Path) -> None:
    """Its log and its readiness name the refused call, it stays alive, and its secret key is in neither."""
    who = LACKING["s3:PutObject leadart-manifests/manifests/*"]
    site = site_of(kafka, store, who)
    assert site.run("topics", "apply", "--start", "earliest").returncode == 0
    worker = WorkerProcess(site, tmp_path / "worker.log")
    try:
        deadline = time.monotonic() + BOUND
        while "the store refused PutObject" not in (page := worker.get("/readyz")[1]):
            assert time.monotonic() < deadline, page
            time.sleep(0.1)
        assert worker.get("/healthz")[0] == 200
        assert worker.stop() == 0
    finally:
        worker.kill()

    assert "the store refused PutObject" in worker.log.read_text()
    assert secret(who) not in worker.log.read_text() + page
