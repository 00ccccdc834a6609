"""What axe-core says of the desk's pages, in light and dark, and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.absent import absent
from tests.support.browser import chromium
from tests.support.harness import answer, cms
from tests.support.newsroom_desk import Editor, Newsroom, describe, editor, newsroom, story

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def room(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    with newsroom(kafka, s3, tmp_path_factory.mktemp("newsroom"), ENGINE__SWATCH_SECONDS="0") as opened:
        yield opened


@pytest.fixture
async def browser(room: Newsroom) -> AsyncIterator[Any]:
    """A browser, and stories in each state for it to show."""
    async with cms(room.site) as desk:
        for data in (
            story("x-1", "Storm over the harbour", variants=4),
            story("x-2", "Verdict expected", section="Courts"),
            story("x-3", "A life", section="Obituaries"),
            {**story("x-4", "Misspelt"), "style": {"preset": "no_such_style"}},
        ):
            await answer(desk, await desk.ask(data))
    async with chromium() as opened:
        yield opened


async def violations(someone: Editor) -> list[str]:
    """Return what axe finds on the page as it is now."""
    if find_spec("axe_playwright_python") is None:
        absent("axe-playwright-python is not installed: make install")
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415 - may be missing

    found = await Axe().run(someone.page, options={"runOnly": {"type": "tag", "values": LEVELS}})
    return describe(found.response["violations"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1200, "height": 800}, PHONE], ids=["wide", "phone"])
async def test_axe_finds_nothing(room: Newsroom, browser: Any, scheme: str, viewport: dict[str, int]) -> None:
    """Sign-in, list, help, stories to choose from, held and failed, and the question before taking down all pass."""
    look: dict[str, Any] = {"color_scheme": scheme, "viewport": viewport, "reduced_motion": "reduce"}
    async with editor(browser, room, signed_in=False, **look) as kim:
        assert await violations(kim) == []
    async with editor(browser, room, **look) as kim:
        await kim.card("Misspelt").wait_for()
        assert await violations(kim) == []
        await kim.page.keyboard.press("?")
        assert await violations(kim) == []
        await kim.page.keyboard.press("Escape")
        for article_id, state in (("x-2", "Waits for approval"), ("x-4", "Failed"), ("x-1", "Choose one of 4")):
            await kim.open_slot(article_id)
            await kim.state(state)
            assert await violations(kim) == []
        await kim.page.keyboard.press("w")
        assert await violations(kim) == []


async def test_nothing_is_wider_than_a_phone(room: Newsroom, browser: Any) -> None:
    """At 360 pixels across, no page scrolls sideways, in either language."""
    for locale in ("en-GB", "zh-CN"):
        async with editor(browser, room, viewport=PHONE, locale=locale) as kim:
            await kim.card("Misspelt").wait_for()
            assert await kim.page.evaluate(WIDTH) <= PHONE["width"]
            await kim.open_slot("x-1")
            await kim.page.locator("desk-variants figure").nth(3).wait_for()
            assert await kim.page.evaluate(WIDTH) <= PHONE["width"]


WIDTH = "document.documentElement.scrollWidth"
