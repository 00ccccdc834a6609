"""The panel on a page of another origin, in Chromium, with a real gateway, worker, broker and store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.browser import chromium
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, cms, workers
from tests.support.other_origin import served_pages

CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "clients"
PATIENCE_MS = BOUND * 1000


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with served_pages(CLIENTS) as served:
        yield served


@pytest.fixture(scope="module")
def gateway(
    kafka: KafkaServer, s3: S3Server, origin: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that allows the CMS's origin, and a worker. Each test has an article of its own."""
    site = Site.fresh(kafka, s3, GATEWAY__CORS_ORIGINS=origin).prepare()
    folder = tmp_path_factory.mktemp("panel")
    with workers(site, folder), gateway_process(site, folder) as running:
        yield running


async def token_for(gateway: GatewayProcess, article: str, seconds: int = 3600) -> str:
    """Return a token as the CMS's server asks for one."""
    wanted = {"articles": [article], "scopes": ["publish", "read", "choose"], "seconds": seconds}
    bearer = {"authorization": f"Bearer {gateway.key}"}
    address = f"{gateway.url}/v1/tokens"
    async with aiohttp.ClientSession() as client, client.post(address, json=wanted, headers=bearer) as answer:
        assert answer.status == 201, await answer.text()
        token: str = (await answer.json())["token"]
        return token


@asynccontextmanager
async def opened(address: str, **context: Any) -> AsyncIterator[Any]:
    """Open a page; at the end nothing was wrong on its console."""
    async with chromium() as browser:
        page = await (await browser.new_context(accept_downloads=True, **context)).new_page()
        page.set_default_timeout(PATIENCE_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        await page.goto(address)
        yield page
        assert [line for line in wrong if "favicon" not in line and "404" not in line] == []


async def form_of(origin: str, gateway: GatewayProcess, article: str) -> str:
    """Return the address of the article's form, with a token for it."""
    return address_of(origin, gateway, await token_for(gateway, article), article)


def address_of(origin: str, gateway: GatewayProcess, token: str, article: str) -> str:
    return f"{origin}/panel.html?{urlencode({'gateway': gateway.url, 'token': token, 'article': article})}"


async def test_an_editor_paints_chooses_and_moves_the_focus(origin: str, gateway: GatewayProcess) -> None:
    """The form has the chosen picture and its HTML, which shows; a moved focus gives it other crops."""
    async with opened(await form_of(origin, gateway, "painted")) as page:
        panel = page.locator("leadart-picker")
        await panel.get_by_role("textbox").fill("A lighthouse in a storm")
        await panel.get_by_text("4", exact=True).click()
        await panel.get_by_role("button", name="Generate", exact=True).click()
        tiles = panel.locator(".grid button")
        await tiles.nth(3).wait_for()
        await tiles.nth(2).click()
        await panel.get_by_role("button", name="Use this picture").click()
        await panel.get_by_text("In use").wait_for()

        chosen = await page.locator("input[name=picture]").input_value()
        first = await shown(page)
        await panel.get_by_role("button", name="Move the focus").click()
        for _ in range(8):
            await page.keyboard.press("ArrowLeft")
        await panel.get_by_role("button", name="Use with this focus").click()
        await page.wait_for_function("before => document.querySelector('#lead').innerHTML !== before", arg=first)
        await shown(page)
        assert await page.locator("input[name=picture]").input_value() == chosen

    assert re.fullmatch("[0-9a-f]{64}", chosen)


async def shown(page: Any) -> str:
    """Return the HTML that the form got, once its picture is loaded."""
    await page.wait_for_function("() => document.querySelector('#lead img')?.naturalWidth > 0")
    html: str = await page.inner_html("#lead")
    return html


async def test_painting_again_offers_others_beside_the_choice(origin: str, gateway: GatewayProcess) -> None:
    """The choice stays until the editor takes one of the new ones."""
    async with opened(await form_of(origin, gateway, "repainted")) as page:
        panel = page.locator("leadart-picker")
        await panel.get_by_role("button", name="Generate", exact=True).click()
        await panel.get_by_role("button", name="Use this picture").click()
        await panel.get_by_text("In use").wait_for()
        before = await page.locator("input[name=picture]").input_value()
        await panel.get_by_role("button", name="Generate again").click()
        await panel.get_by_role("button", name="Use this picture").wait_for()
        assert await page.locator("input[name=picture]").input_value() == before
        await panel.get_by_role("button", name="Use this picture").click()
        await page.wait_for_function("before => document.forms.article.picture.value !== before", arg=before)


async def test_a_picture_can_be_downloaded(origin: str, gateway: GatewayProcess, tmp_path: Path) -> None:
    """The file has a name that says what it is, and the bytes that were announced."""
    async with opened(await form_of(origin, gateway, "saved")) as page:
        panel = page.locator("leadart-picker")
        await panel.get_by_role("button", name="Generate", exact=True).click()
        async with page.expect_download() as downloading:
            await panel.get_by_role("button", name="Download").click()
        saved = await downloading.value
        assert saved.suggested_filename == "storm-over-the-harbour-hero.png"
        await saved.save_as(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


async def test_a_token_for_another_article_shows_nothing(origin: str, gateway: GatewayProcess) -> None:
    """The panel says so, what the gateway said can be opened, and the article is not painted."""
    token = await token_for(gateway, "another")
    async with chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(address_of(origin, gateway, token, "not-theirs"))
        panel = page.locator("leadart-picker")
        await panel.get_by_role("button", name="Generate", exact=True).click()
        await panel.get_by_text("You are not allowed to do that.").wait_for()
        await panel.get_by_text("In exact words").click()
        await panel.get_by_text("This key may not name that article.").wait_for()
    async with cms(gateway.site) as desk:
        assert [outcome for outcome in desk.outcomes() if outcome["article"]["id"] == "not-theirs"] == []


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
async def test_it_is_accessible(origin: str, gateway: GatewayProcess, scheme: str, locale: str, tmp_path: Path) -> None:
    """Nothing is found by axe, in light and dark, English and Chinese, and it fits a phone."""
    view = {"color_scheme": scheme, "locale": locale, "viewport": {"width": 360, "height": 900}}
    async with opened(await form_of(origin, gateway, f"read-{locale}"), **view) as page:
        await page.evaluate("locale => { document.documentElement.lang = locale }", locale)
        panel = page.locator("leadart-picker")
        await panel.locator("button.main").first.click()
        await panel.locator(".stage img").wait_for()
        await page.wait_for_function(
            "() => document.querySelector('leadart-picker').shadowRoot.querySelector('.stage img').naturalWidth > 0"
        )
        await page.screenshot(path=tmp_path / "panel.png", full_page=True)
        found = await Axe().run(page, context="leadart-picker")
        assert found.response["violations"] == []
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360


async def test_a_browser_of_another_origin_is_refused(gateway: GatewayProcess) -> None:
    """A page that the gateway does not allow loads the module, and gets no answer from the API."""
    with served_pages(CLIENTS) as stranger:
        form = await form_of(stranger, gateway, "refused")
        async with chromium() as browser:
            page = await browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            await page.goto(form)
            await page.locator("leadart-picker").get_by_text("may not allow this page").wait_for()
