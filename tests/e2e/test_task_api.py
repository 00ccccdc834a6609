"""The panel of the old editor, in Chromium on a page of another origin: only the service's address is another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.browser import chromium
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, workers
from tests.support.other_origin import served_pages

PAGES = Path(__file__).with_name("pages")


@pytest.fixture(scope="module")
def cms() -> Iterator[str]:
    with served_pages(PAGES) as origin:
        yield origin


@pytest.fixture(scope="module")
def gateway(
    kafka: KafkaServer, s3: S3Server, cms: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway whose operator lets the CMS's pages use the task API without a key."""
    site = Site.fresh(kafka, s3, GATEWAY__CORS_ORIGINS=cms, GATEWAY__TASK_API_SOURCE="/cms/old").prepare()
    folder = tmp_path_factory.mktemp("tasks")
    with workers(site, folder), gateway_process(site, folder) as running:
        yield running


async def generate(page: Any, prompt: str, count: str = "1", style: str = "") -> str:
    """Fill in the panel, and return what it says at last."""
    await page.fill("#prompt", prompt)
    await page.select_option("#count", count)
    await page.select_option("#style", style)
    await page.click("button")
    await page.wait_for_function(
        "() => !document.querySelector('#state').textContent.startsWith('Usually')", timeout=BOUND * 1000
    )
    said: str = await page.inner_text("#state")
    return said


async def test_the_old_panel_works_unchanged(cms: str, gateway: GatewayProcess) -> None:
    """Four pictures are painted and shown; the same again comes from the cache; an empty prompt is an alert."""
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{cms}/task_panel.html?service={gateway.url}")
        done = await generate(page, "A lighthouse in a storm", "4", "oil_painting")
        await page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth === 512)")
        painted = await page.locator("#grid img").count()

        again = await generate(page, "A lighthouse in a storm", "4", "oil_painting")
        empty = await generate(page, "")

    assert (done, painted, again) == ("Done", 4, "From the cache")
    assert empty.startswith("Failed: [{")


async def test_a_page_that_is_not_allowed_cannot_use_it(cms: str, gateway: GatewayProcess) -> None:
    """The browser asks first, and the gateway does not say yes."""
    async with chromium() as browser:
        page = await browser.new_page()
        elsewhere = cms.replace("127.0.0.1", "localhost")
        await page.goto(f"{elsewhere}/task_panel.html?service={gateway.url}")
        assert await generate(page, "A harbour") == "Failed: Failed to fetch"
