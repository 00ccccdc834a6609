"""A key of one source never reads or changes another's articles: every endpoint is tried with foreign ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from consumer.gateway.access.principal import Scope
from consumer.gateway.app import make_app
from consumer.gateway.routes import images
from consumer.jobs import Record
from schemas.cloudevents import Event
from tests.support.gateway import SOURCES, GatewayBench, open_bench, ready

OWNER, STRANGER = SOURCES
SECRET_WORDS = "Embargo until Friday"
ARTICLE = "secret-story-77"
DIGEST = "5ec7e7" + "a" * 58
OPEN = {
    ("get", "/v1/pictures/{sha256}/{rendition}"): "the digest is the capability",
    ("get", "/v1/pictures/{sha256}/{rendition}/download"): "likewise",
    ("get", "/generated-images/{date}/{file}"): "likewise",
    ("get", "/v1/styles/{name}/sample"): "the site's own picture, of no article",
}
"""Endpoints with ids that need no key, and why."""
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GatewayBench]:
    """A gateway on which the owner has a held request and a ready one."""
    monkeypatch.setattr(images, "UNREAD_SECONDS", 0.0)
    async with open_bench() as opened:
        await opened.ask(_request(ARTICLE, SECRET_WORDS), OWNER)
        asked = await opened.ask(_request(ARTICLE, SECRET_WORDS), OWNER)
        opened.announce("image-ready", asked, slot="hero", **ready(DIGEST))
        yield opened


def _request(article: str, headline: str = "Ours") -> dict[str, Any]:
    return {"article": {"id": article, "revision": 1, "headline": headline}, "output": {"slot": "hero"}}


def _operations(bench: GatewayBench) -> Iterator[tuple[str, str]]:
    """Return method and path of every endpoint, those of applications inside it too."""
    app = make_app(bench.gateway)
    mounted = [(route.path, route.app) for route in app.routes if isinstance(route, Mount)]
    for prefix, part in [("", app), *mounted]:
        if isinstance(part, FastAPI):
            for path, operations in part.openapi()["paths"].items():
                yield from ((method, prefix + path) for method in METHODS if method in operations)


def _foreign_images(bench: GatewayBench) -> list[str]:
    article = bench.gateway.board.article(ARTICLE)
    assert article is not None
    return list(article.images)


def _filled(bench: GatewayBench, path: str) -> Iterator[str]:
    """Return the path about the owner's article and each of its images."""
    for image in _foreign_images(bench):
        filled = path
        for name, value in (
            ("article_id", ARTICLE),
            ("slot", "hero"),
            ("image_id", image),
            ("task_id", image),
            ("sha256", DIGEST),
            ("rendition", "original"),
        ):
            filled = filled.replace(f"{{{name}}}", quote(value, safe=""))
        yield filled


def _bodies(bench: GatewayBench) -> Iterator[object]:
    """Return bodies that an endpoint may take, about the owner's article."""
    yield from ({}, _request(ARTICLE), {"picture": None}, {"picture": {"sha256": DIGEST}}, {"reason": "error"})
    yield {"revision": 1, "by": "x"}
    for image in _foreign_images(bench):
        yield {"request_id": image, "article": {"id": ARTICLE, "revision": 1}, "picture": {"sha256": DIGEST}}


def _leaks(text: str, sent: object = None) -> list[str]:
    """Return what the answer has of the owner's and the caller did not send."""
    return [secret for secret in (SECRET_WORDS, OWNER, DIGEST) if secret in text and secret not in json.dumps(sent)]


async def test_every_endpoint_with_an_id_hides_what_is_not_the_callers(bench: GatewayBench) -> None:
    """Another source's key gets 403 or 404 there, publishes nothing, and is told nothing; so is no key at all."""
    tried = 0
    before = len(bench.published)
    for method, path in _operations(bench):
        if "{" not in path or (method, path) in OPEN:
            continue
        for address in _filled(bench, path):
            for body in [None] if method == "get" else _bodies(bench):
                answer = await bench.call(method, address, body, STRANGER)
                assert answer.status_code in {403, 404}, f"{method} {address}: {answer.status_code}"
                assert _leaks(answer.text) == [], f"{method} {address}"
                anonymous = await bench.client.request(method, address, json=body)
                assert anonymous.status_code == 401, f"{method} {address}: {anonymous.status_code}"
                tried += 1
    assert tried > 50
    assert len(bench.published) == before


async def test_every_endpoint_without_an_id_takes_and_tells_nothing_foreign(bench: GatewayBench) -> None:
    """Whatever a body names, nothing is published about the owner's article, and no answer has anything of it."""
    before = len(bench.published)
    for method, path in _operations(bench):
        if "{" in path or path == "/v1/events":
            continue
        for body in [None] if method == "get" else _bodies(bench):
            answer = await bench.call(method, path, body, STRANGER)
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            assert _leaks(answer.text, body) == [], f"{method} {path}"
    assert [record for record in bench.published[before:] if record.key == ARTICLE.encode()] == []


async def test_the_owner_gets_in_everywhere(bench: GatewayBench) -> None:
    """The same addresses answer the owner, so that the tests above are about the source and not the address."""
    for method, path in _operations(bench):
        if "{" not in path or method != "get" or (method, path) in OPEN or path.endswith("/events"):
            continue
        statuses = {(await bench.call(method, each, None, OWNER)).status_code for each in _filled(bench, path)}
        assert statuses & {200, 400}, path  # 400: a task that is not completed


@pytest.mark.parametrize("narrowing", [{"articles": ("other-*",)}, {"scopes": frozenset({Scope.PUBLISH})}])
async def test_a_key_of_the_source_stays_within_its_own_rights(bench: GatewayBench, narrowing: dict[str, Any]) -> None:
    """Patterns that leave the article out, or scopes that leave reading out, hide it as another source does."""
    keys = bench.gateway.keys
    bench.gateway.use_keys(
        keys.model_copy(update={"keys": tuple(key.model_copy(update=narrowing) for key in keys.keys)})
    )
    for method, path in _operations(bench):
        if "{" in path and method == "get" and (method, path) not in OPEN:
            for address in _filled(bench, path):
                answer = await bench.call(method, address, None, OWNER)
                assert answer.status_code in {403, 404}, f"{method} {address}"
                assert _leaks(answer.text) == []


async def test_an_unknown_id_and_a_foreign_one_get_the_same_answer(bench: GatewayBench) -> None:
    """Nobody learns from an answer what others have."""
    image = _foreign_images(bench)[0]
    for foreign, unknown in (
        (f"/v1/images/{image}", "/v1/images/none"),
        (f"/v1/articles/{ARTICLE}", "/v1/articles/none"),
        (f"/v1/articles/{ARTICLE}/slots/hero", "/v1/articles/none/slots/hero"),
    ):
        answers = [await bench.call("GET", path, None, STRANGER) for path in (foreign, unknown)]
        assert answers[0].status_code == answers[1].status_code == 404
        assert answers[0].json() == answers[1].json()


async def test_a_foreign_id_is_looked_for_as_long_as_an_unknown_one(
    bench: GatewayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of an answer tells nothing either."""
    monkeypatch.setattr(images, "UNREAD_SECONDS", 0.2)
    clock = asyncio.get_running_loop().time
    began = clock()
    await bench.call("GET", f"/v1/images/{_foreign_images(bench)[0]}", None, STRANGER)
    assert clock() - began >= 0.2


async def test_an_article_that_two_sources_publish_at_once_is_the_first_ones(
    bench: GatewayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a source's first request is on its way to the bus, no other source's is taken for the same article."""
    publish, under_way, go_on = bench.publisher.publish, asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> Record:
        under_way.set()
        await go_on.wait()
        return await publish(event)

    monkeypatch.setattr(bench.publisher, "publish", slow)
    first = asyncio.create_task(bench.call("POST", "/v1/images", _request("new-1"), OWNER))
    await under_way.wait()
    second = asyncio.create_task(bench.call("POST", "/v1/images", _request("new-1"), OWNER))
    assert (await bench.call("POST", "/v1/images", _request("new-1"), STRANGER)).status_code == 404
    go_on.set()
    assert [(await each).status_code for each in (first, second)] == [202, 202]
    assert (await bench.call("POST", "/v1/images", _request("new-1"), STRANGER)).status_code == 404
    assert (await bench.call("POST", "/v1/images", _request("new-2"), STRANGER)).status_code == 202


async def test_streams_carry_nothing_foreign(bench: GatewayBench) -> None:
    """A listener's filter lets through the caller's articles alone, and the missed part likewise."""
    with bench.gateway.broadcast.listen(lambda _message: True) as everything:
        asked = await bench.ask(_request(ARTICLE, SECRET_WORDS), OWNER)
        bench.announce("image-ready", asked, slot="hero", **ready(DIGEST))
        messages = await anext(everything.batches(1.0))
    assert messages
    stranger = bench.gateway.keys.find(bench.tokens[STRANGER])
    owner = bench.gateway.keys.find(bench.tokens[OWNER])
    assert stranger is not None
    assert owner is not None
    assert [m for m in messages if stranger.principal().owns(m.source, m.article)] == []
    assert all(owner.principal().owns(message.source, message.article) for message in messages)


async def test_nobody_publishes_in_anothers_name(bench: GatewayBench) -> None:
    """The source of an event is its key's, whatever the body says."""
    body = {**_request("own-1"), "source": OWNER, "ce_source": OWNER}
    before = len(bench.published)
    answer = await bench.call("POST", "/v1/images", body, STRANGER, ce_source=OWNER)
    assert answer.status_code == 202
    assert dict(bench.published[before].headers)["ce_source"] == STRANGER.encode()
    assert json.loads(answer.text)["source"] == STRANGER
