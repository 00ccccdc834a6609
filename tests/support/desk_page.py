"""The desk in a browser: signed in, at a slot, with nothing wrong on its console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.support.browser import chromium
from tests.support.gateway_process import GatewayProcess
from tests.support.harness import BOUND

LOOK_SECONDS = 0.1


@dataclass
class DeskApi:
    """The gateway's API, as a test asks it beside the browser."""

    client: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer's JSON; an error status fails the test."""
        async with self.client.request(method, path, json=body) as answer:
            assert answer.ok, await answer.text()
            return await answer.json()

    async def slot(self, article: str, slot: str = "hero") -> dict[str, Any]:
        """Return all about a slot."""
        found: dict[str, Any] = await self.call("GET", f"/v1/articles/{quote(article, safe='')}/slots/{slot}")
        return found

    async def slot_when(self, article: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return all about a slot once the condition holds."""
        async with asyncio.timeout(BOUND):
            while not enough(found := await self.slot(article)):
                await asyncio.sleep(LOOK_SECONDS)
        return found

    async def save(self, article_id: str, revision: int = 1, **parts: Any) -> str:
        """Ask for an article's pictures as a CMS does, and return the request's id."""
        data: dict[str, Any] = {
            "article": {"id": article_id, "revision": revision, "headline": "Storm over the harbour"},
            "output": {"width": 640, "height": 384},
        }
        for name, part in parts.items():
            data[name] = {**data.get(name, {}), **part} if isinstance(part, dict) else part
        image = await self.call("POST", "/v1/images", data)
        return str(image["id"])


@asynccontextmanager
async def desk_api(gateway: GatewayProcess) -> AsyncIterator[DeskApi]:
    """Open the API with the gateway's key."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession(gateway.url, headers=headers) as client:
        yield DeskApi(client)


@asynccontextmanager
async def desk_page(
    gateway: GatewayProcess, address: str, refused: str = "nothing", **context: Any
) -> AsyncIterator[Any]:
    """Open the desk signed in, at an address such as `#/a/a-1/hero`.

    At the end nothing was wrong on the console, but for answers with the status `refused`, and nothing was blocked by
    the content security policy.
    """
    async with chromium() as browser:
        opened = await browser.new_context(accept_downloads=True, **context)
        signed = await opened.request.post(
            f"{gateway.url}/v1/session", data={"key": gateway.key}, headers={"origin": gateway.url}
        )
        assert signed.ok, await signed.text()
        await opened.add_init_script("localStorage.setItem('leadart.signed-in', '')")
        page = await opened.new_page()
        page.set_default_timeout(BOUND * 1000)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        await page.goto(f"{gateway.url}/desk/{address}")
        yield page
        assert [said for said in wrong if refused not in said] == []
