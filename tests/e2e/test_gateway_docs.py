"""The page of the HTTP API, in Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from consumer.gateway import openapi
from tests.support.browser import chromium
from tests.support.gateway_server import serve_gateway


@asynccontextmanager
async def opened(path: str, **context: Any) -> AsyncIterator[Any]:
    """Open a page; at the end nothing was wrong on its console."""
    async with serve_gateway() as served, chromium() as browser:
        page = await (await browser.new_context(**context)).new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        await page.goto(served.url + path)
        await page.locator("main section").first.wait_for()
        yield page
        assert wrong == []


async def test_every_operation_can_be_read() -> None:
    """Each has its section, with fields that open, examples, answers and a line for curl."""
    async with opened("/docs/") as page:
        sections = await page.eval_on_selector_all("main section", "all => all.map(one => one.id)")
        asking = page.locator("#requestImages")
        await asking.get_by_text("ImageRequested", exact=True).click()
        described = await asking.get_by_text("What the picture needs to know about the article.").first.is_visible()
        curl = await asking.locator("pre[aria-label=curl]").inner_text()

    assert set(sections) == {operation.id for operation in openapi.OPERATIONS.values()}
    assert described
    assert curl.startswith("curl -X POST http://127.0.0.1:")
    assert '"headline":"Storm over the harbour"' in curl


async def test_the_task_api_has_its_page() -> None:
    """It is one link away."""
    async with opened("/docs/") as page:
        await page.get_by_role("link", name="Task API").click()
        await page.get_by_role("heading", name="/api/v1/generate").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_it_is_accessible(scheme: str, width: int) -> None:
    """Axe finds nothing, in light and dark, and a phone scrolls down only."""
    async with opened("/docs/", color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        found = (await Axe().run(page)).response["violations"]
        wide = await page.evaluate("document.documentElement.scrollWidth")

    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []
    assert wide <= width
