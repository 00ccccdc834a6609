"""The purge hook, called on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from consumer.errors import Overloaded
from consumer.settings import StorageSettings
from consumer.storage.purging import BATCH, PurgeHook
from schemas import Reason

TOKEN = "hush"


class Cdn:
    """Answers as it is told, and keeps the bodies of the calls that it took."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.authorization: set[str | None] = set()
        self.status = 204
        self.headers: dict[str, str] = {}
        self.url = ""

    async def purge(self, request: web.Request) -> web.Response:
        self.authorization.add(request.headers.get("Authorization"))
        if self.status < 300:
            self.calls.append(await request.json())
        return web.Response(
            status=self.status, text="said the CDN" if self.status >= 300 else None, headers=self.headers
        )

    def hook(self, **settings: str) -> PurgeHook:
        return PurgeHook(StorageSettings.model_validate({"purge_url": self.url} | settings))


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    made = Cdn()
    application = web.Application()
    application.router.add_post("/purge", made.purge)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/purge"
    yield made
    await runner.cleanup()


async def test_every_address_is_told_in_batches(cdn: Cdn) -> None:
    """With the token as a bearer's; in the order given."""
    urls = [f"https://cdn.test/{number}" for number in range(BATCH + 1)]

    await cdn.hook(purge_token=TOKEN).purge(urls)

    assert [len(call["urls"]) for call in cdn.calls] == [BATCH, 1]
    assert [url for call in cdn.calls for url in call["urls"]] == urls
    assert cdn.authorization == {f"Bearer {TOKEN}"}


async def test_without_a_token_none_is_sent(cdn: Cdn) -> None:
    """A hook inside the site may need none."""
    await cdn.hook().purge(["https://cdn.test/1"])

    assert cdn.authorization == {None}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, Reason.MISCONFIGURED),
        (404, Reason.MISCONFIGURED),
        (307, Reason.MISCONFIGURED),
        (429, Reason.STORE_UNAVAILABLE),
        (502, Reason.STORE_UNAVAILABLE),
    ],
)
async def test_a_refusal_is_told_with_the_settings_to_check(cdn: Cdn, status: int, reason: Reason) -> None:
    """Its status and words, never the token. Redirects are not followed: the address would not get the body."""
    cdn.status, cdn.headers = status, {"Location": cdn.url} if status == 307 else {}

    with pytest.raises(Overloaded, match=rf"{status} \(said the CDN\).*LEADART_STORAGE__PURGE_URL") as told:
        await cdn.hook(purge_token=TOKEN).purge(["https://cdn.test/1"])

    assert told.value.reason is reason
    assert TOKEN not in told.value.message


async def test_an_outage_is_told_as_one_of_the_hook() -> None:
    """Nobody listens: it is the hook that cannot be reached, not the store."""
    hook = PurgeHook(StorageSettings.model_validate({"purge_url": "http://127.0.0.1:9/"}))

    with pytest.raises(Overloaded, match="the purge hook cannot be reached") as told:
        await hook.purge(["https://cdn.test/1"])
    assert told.value.reason is Reason.STORE_UNAVAILABLE


def test_a_hook_is_optional() -> None:
    """Without an address there is nobody to tell."""
    assert not PurgeHook(StorageSettings()).configured
