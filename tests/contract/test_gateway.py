"""What the gateway promises over HTTP: in memory, and as a process beside Kafka, a store and a worker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import httpx2
import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.gateway import SOURCES, GatewayBench, open_bench, ready
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, request_data, workers
from tests.support.samples import ASKED, MASTER, RECIPE

TASKS = "/cms/old"


class Door(Protocol):
    """A gateway behind which something answers; with keys of two sources."""

    client: httpx2.AsyncClient

    def bearer(self, source: str) -> dict[str, str]:
        """Return the header with a source's key."""
        ...

    async def answered(self, image: dict[str, Any]) -> dict[str, Any]:
        """Return a request's or decision's details once it has its outcome."""
        ...


class MemoryDoor:
    """The test itself announces what a worker would."""

    def __init__(self, bench: GatewayBench) -> None:
        self.client = bench.client
        self.bearer = bench.bearer
        self._bench = bench

    async def answered(self, image: dict[str, Any]) -> dict[str, Any]:
        stored = await self._bench.gateway.store.keep(RECIPE, MASTER, ASKED)
        kind = "withdrawn" if image["kind"] == "withdrawal" else "ready"
        data = {} if kind == "withdrawn" else ready(stored.sha256, chosen=image["kind"] == "choice")
        if kind == "withdrawn":
            await self._bench.gateway.store.withdraw(ASKED.use.article_id, None, "w-1") if ASKED.use else None
        self._bench.announce(kind, image, ordinal=self._bench.announced + 1, **data)
        (found,) = self._bench.gateway.board.images(image["id"])
        return found.details()


class ProcessDoor:
    """A real gateway and a real worker, on servers that other tests share."""

    def __init__(self, gateway: GatewayProcess, client: httpx2.AsyncClient) -> None:
        self.client = client
        self._gateway = gateway

    def bearer(self, source: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self._gateway.keys[source]}"}

    async def answered(self, image: dict[str, Any]) -> dict[str, Any]:
        async with asyncio.timeout(BOUND):
            while True:
                found = await self.client.get(f"/v1/images/{image['id']}", headers=self.bearer(image["source"]))
                details: dict[str, Any] = found.json()
                if details["final"]:
                    return details
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def process(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway process and a worker; each test has an article of its own."""
    site = Site.fresh(kafka, s3, GATEWAY__TASK_API_SOURCE=TASKS).prepare()
    folder = tmp_path_factory.mktemp("gateway")
    with workers(site, folder), gateway_process(site, folder, sources=SOURCES) as running:
        yield running


@asynccontextmanager
async def opened_process(running: GatewayProcess) -> AsyncIterator[Door]:
    async with httpx2.AsyncClient(base_url=running.url, timeout=BOUND) as client:
        yield ProcessDoor(running, client)


@pytest.fixture(params=["memory", "process"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    if request.param == "memory":
        async with open_bench(gateway={"task_api_source": TASKS}) as bench:
            yield MemoryDoor(bench)
    else:
        async with opened_process(request.getfixturevalue("process")) as opened:
            yield opened


@pytest.fixture
def article() -> str:
    return f"a-{uuid4().hex[:8]}"


async def post(door: Door, path: str, body: object, source: str = SOURCES[0], **headers: str) -> httpx2.Response:
    return await door.client.post(path, json=body, headers={**door.bearer(source), **headers})


async def get(door: Door, path: str, source: str = SOURCES[0]) -> httpx2.Response:
    return await door.client.get(path, headers=door.bearer(source))


async def painted(door: Door, article: str) -> dict[str, Any]:
    return await door.answered((await post(door, "/v1/images", request_data(article))).json())


async def test_a_request_is_followed_to_its_pictures(door: Door, article: str) -> None:
    """202 with where to follow it; at last its outcome, on the image, the article and the slot."""
    asked = await post(door, "/v1/images", request_data(article))
    image = await door.answered(asked.json())
    found = await get(door, asked.headers["location"])
    slot = (await get(door, f"/v1/articles/{article}/slots/hero")).json()
    listed = (await get(door, f"/v1/articles?q={article}")).json()["articles"]

    assert (asked.status_code, found.json()["state"]) == (202, "ready")
    digest = image["outcome"]["pictures"][0]["sha256"]
    assert slot["picture"]["sha256"] == slot["shown"]["pictures"][0]["sha256"] == digest
    assert [each["id"] for each in slot["history"]] == [image["id"]]
    assert listed == [(await get(door, f"/v1/articles/{article}")).json()]


async def test_a_picture_s_address_leads_to_it(door: Door, article: str) -> None:
    """By GET and by HEAD; unknown digests are not found."""
    picture = (await painted(door, article))["outcome"]["pictures"][0]
    path = f"/v1/pictures/{picture['sha256']}/original"
    redirect, head = await door.client.get(path), await door.client.head(path)
    unknown = await door.client.get(f"/v1/pictures/{'e' * 64}/original")

    assert (redirect.status_code, head.status_code, unknown.status_code) == (307, 307, 404)
    assert picture["key"] in redirect.headers["location"]
    if isinstance(door, ProcessDoor):
        file = await door.client.get(redirect.headers["location"])
        assert hashlib.sha256(file.content).hexdigest() == picture["sha256"]
        assert (await door.client.head(head.headers["location"])).headers["content-length"] == str(picture["bytes"])


async def test_an_idempotency_key_is_one_request(door: Door, article: str) -> None:
    """A repeat gets the first request; another one under the same key is refused."""
    key = {"idempotency-key": article}
    first = await post(door, "/v1/images", request_data(article), **key)
    again = await post(door, "/v1/images", request_data(article), **key)
    other = await post(door, "/v1/images", request_data(article, 2), **key)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_key_reused")


ARTICLE = b'{"article": {"id": "a-1", "revision": 1, "headline": "x"}, '


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        (b"{", 400, "not_json", None),
        (b"\xff", 400, "not_utf8", None),
        (b"[]", 422, "invalid_field", "data"),
        (b'{"article": {"id": "a-1", "revision": 1}}', 422, "missing_field", "article.headline"),
        (ARTICLE + b'"output": {"width": 1}}', 422, "invalid_field", "output.width"),
        (b'{"prompt": "x", "cfg_scale": 30}', 422, "invalid_field", "cfg_scale"),
        (ARTICLE + b'"x": "' + b"x" * 70_000 + b'"}', 413, "too_large", None),
    ],
)
async def test_what_cannot_be_published_is_a_problem(
    door: Door, body: bytes, status: int, reason: str, field: str | None
) -> None:
    """It names reason and field as the bus does."""
    headers = {**door.bearer(SOURCES[0]), "content-type": "application/json"}
    answer = await door.client.post("/v1/images", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["reason"], answer.json().get("field")) == (status, reason, field)


async def test_what_is_chosen_and_taken_down_shows(door: Door, article: str) -> None:
    """The slot shows the choice; taken down it shows nothing, and the picture is gone."""
    picture = (await painted(door, article))["outcome"]["pictures"][0]
    slot = f"/v1/articles/{article}/slots/hero"
    chosen = await post(door, f"{slot}/choose", {"picture": {"sha256": picture["sha256"]}, "alt": "Ferries."})
    await door.answered(chosen.json())
    after = (await get(door, slot)).json()
    withdrawn = await post(door, f"{slot}/withdraw", {})
    await door.answered(withdrawn.json())
    at_last = (await get(door, slot)).json()
    gone = await door.client.get(f"/v1/pictures/{picture['sha256']}/original")

    assert (chosen.status_code, withdrawn.status_code) == (202, 202)
    assert (after["chosen"], after["picture"]["sha256"]) == (True, picture["sha256"])
    assert (at_last["shown"], at_last["picture"]) == (None, None)
    assert (gone.status_code, gone.json()["reason"]) == (410, "withdrawn")


async def test_a_source_sees_its_own_articles(door: Door, article: str) -> None:
    """To the other source's key they do not exist: not to read, not to ask for, not to decide about."""
    image = (await post(door, "/v1/images", request_data(article))).json()
    slot = f"/v1/articles/{article}/slots/hero"
    answers = [
        await get(door, f"/v1/images/{image['id']}", SOURCES[1]),
        await get(door, slot, SOURCES[1]),
        await post(door, "/v1/images", request_data(article, 2), SOURCES[1]),
        await post(door, f"{slot}/withdraw", {}, SOURCES[1]),
        await door.client.get(slot),
    ]
    assert [each.status_code for each in answers] == [404, 404, 404, 404, 401]
    assert (await get(door, f"/v1/articles?q={article}", SOURCES[1])).json()["articles"] == []


async def test_tasks_are_as_they_were(door: Door) -> None:
    """Generate without a key, status, result, file; then the same fields again, from the cache."""
    fields = {"prompt": f"A lighthouse {uuid4().hex}", "width": 64, "height": 64, "steps": 2}
    accepted = (await door.client.post("/api/v1/generate", json=fields)).json()
    early = await door.client.get(f"/api/v1/tasks/{accepted['task_id']}/result")
    if isinstance(door, MemoryDoor):
        (image,) = door._bench.gateway.board.images(accepted["task_id"])
        await door.answered(image.details())
    async with asyncio.timeout(BOUND):
        while (status := (await door.client.get(accepted["check_status_url"])).json())["status"] != "completed":
            await asyncio.sleep(0.05)
    result = (await door.client.get(f"/api/v1/tasks/{accepted['task_id']}/result")).json()
    file = await door.client.get(result["image_urls"][0])

    assert early.status_code in {200, 400}  # a worker may be quick
    assert (status["result"], result["count"]) == (result, 1)
    assert hashlib.sha256(file.content).hexdigest() in result["image_urls"][0]
    assert file.headers["cache-control"] == "public, max-age=2592000, immutable"
    assert (await door.client.get("/api/v1/tasks/none/status")).json() == {"detail": "There is no such task."}
    assert (await door.client.get("/api/v1/health")).json()["status"] == "healthy"
    if isinstance(door, ProcessDoor):
        cached = (await door.client.post("/api/v1/generate", json=fields)).json()
        assert (cached["cached"], cached["image_urls"]) == (True, result["image_urls"])


async def test_styles_are_listed(door: Door) -> None:
    """Those of the site's file."""
    styles = (await get(door, "/v1/styles")).json()["styles"]
    assert {"default", "photorealistic", "illustration", "anime", "oil_painting"} <= {each["name"] for each in styles}
