"""One slot on the desk, in Chromium, with a real gateway, worker, broker and store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.pictures.crops import check_crop, crop_for
from consumer.pictures.rendition_file import load_renditions
from consumer.renditions import Crop, FocalPoint
from schemas.pictures import FocalSource
from tests.support.browser import chromium
from tests.support.desk_page import DeskApi, desk_api, desk_page
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import Site, workers
from tests.support.policies import policy_settings

SETS = {each.name: each for each in load_renditions().full("hero")}
PICKED = """
async () => {
  const file = new Image();
  file.src = document.querySelector("picture img").currentSrc;
  await file.decode();
  return [file.naturalWidth, file.naturalHeight];
}
"""


@pytest.fixture(scope="module")
def gateway(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway and a worker with an editorial policy; addresses of pictures expire."""
    folder = tmp_path_factory.mktemp("desk")
    site = Site.fresh(kafka, s3, **policy_settings(folder)).prepare()
    with workers(site, folder), gateway_process(site, folder) as running:
        yield running


@pytest.fixture
async def api(gateway: GatewayProcess) -> AsyncIterator[DeskApi]:
    async with desk_api(gateway) as opened:
        yield opened


def is_settled(detail: dict[str, Any]) -> bool:
    return bool(detail["latest"]["final"])


def is_chosen(detail: dict[str, Any]) -> bool:
    return bool(detail["chosen"] and detail["latest"]["final"])


def crops_of(detail: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {file["set"]: file["crop"] for file in detail["shown"]["pictures"][0]["renditions"]}


async def cut_of(page: Any, name: str) -> str:
    """Return how the preview of a set cuts the picture."""
    style: str = await page.locator(f".crop-previews [data-set={name}] img").get_attribute("style")
    return style


async def test_an_editor_chooses_crops_and_copies_the_html(gateway: GatewayProcess, api: DeskApi) -> None:
    """Choose, drag the point, see every preview follow, save; the HTML then shows those files in a plain page."""
    await api.save("a-crop", output={"variants": 2})
    await api.slot_when("a-crop", is_settled)
    async with desk_page(gateway, "#/a/a-crop/hero", permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.get_by_role("button", name="Picture 2: Choose").click()
        await page.wait_for_function("() => document.querySelector('#shape').value === 'hero'")
        await page.get_by_text("It stays, whatever is saved or painted later.").wait_for()
        await page.get_by_role("button", name="Crop", exact=False).first.click()
        save = await page.get_by_role("button", name="Save the crops").bounding_box()
        assert save["y"] + save["height"] <= page.viewport_size["height"]
        before = await cut_of(page, "square")
        await drag_point(page, 0.15, 0.4)
        assert await cut_of(page, "square") != before
        await page.get_by_role("button", name="Save the crops").click()
        detail = await api.slot_when("a-crop", lambda one: is_chosen(one) and one["latest"]["kind"] == "crop")
        point = detail["shown"]["pictures"][0]["focal_point"]
        await page.get_by_label("Shape").select_option("square")
        await page.wait_for_function("() => document.querySelector('#html').value.includes('square-384')")
        await page.get_by_role("button", name="Copy the HTML").click()
        await page.get_by_text("The HTML is copied.").wait_for()
        html = await page.evaluate("navigator.clipboard.readText()")

    assert (point["x"], point["y"]) == (pytest.approx(0.15, abs=0.02), pytest.approx(0.4, abs=0.02))
    assert point["source"] == "editor"
    focal = FocalPoint(point["x"], point["y"], FocalSource.EDITOR)
    made = {name: Crop(**crop) for name, crop in crops_of(detail).items()}
    assert made == {name: crop_for(each, (640, 384), focal) for name, each in SETS.items()}
    assert f"{gateway.url}/v1/pictures/" in html
    assert await shows(html) == [384, 384]


async def drag_point(page: Any, x: float, y: float) -> None:
    """Drag the focal point to these shares of the picture."""
    stage = page.locator(".crop-stage")
    await page.wait_for_function("() => document.querySelector('.crop-stage img').naturalWidth > 0")
    box = await stage.bounding_box()
    point = await page.locator(".crop-point").bounding_box()
    await page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    await page.mouse.up()


async def shows(html: str) -> list[int]:
    """Return the size of the file that a browser picks for a figure in a plain page of another origin."""

    async def plain(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><meta charset=utf-8>{html}", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", plain)
    async with TestServer(application) as server, chromium() as browser:
        page = await browser.new_page()
        await page.goto(str(server.make_url("/")))
        await page.wait_for_function("() => document.querySelector('picture img').naturalWidth > 0")
        size: list[int] = await page.evaluate(PICKED)
        return size


async def test_frames_are_drawn_by_keyboard_alone(gateway: GatewayProcess, api: DeskApi) -> None:
    """C, arrows, minus, Tab and Enter crop a set's frame to the pixel; all other sets keep the point."""
    await api.save("a-keys")
    await api.slot_when("a-keys", is_settled)
    async with desk_page(gateway, "#/a/a-keys/hero") as page:
        await page.get_by_role("heading", name="History").wait_for()
        await page.keyboard.press("c")
        await page.locator(".crop-point:focus").wait_for()
        for key in ("ArrowRight", "ArrowUp", "Shift+ArrowRight", "-", "-", "-", "Shift+Tab", "ArrowDown"):
            await page.keyboard.press(key)
        frame = await page.locator(".crop-frame").get_attribute("aria-label")
        choose = page.get_by_role("button", name="Choose with these crops")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await choose.evaluate("button => button === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        detail = await api.slot_when("a-keys", is_chosen)

    (choice, *_) = detail["history"]
    drawn = Crop(**choice["request"]["crops"]["hero"])
    check_crop(SETS["hero"], (640, 384), drawn)
    assert re.findall(r"\d+", frame) == [str(part) for part in (drawn.width, drawn.height, drawn.x, drawn.y)]
    assert choice["request"]["focal_point"] == {"x": 0.56, "y": 0.49}
    assert choice["request"]["chosen_by"]
    made = {name: Crop(**crop) for name, crop in crops_of(detail).items()}
    focal = FocalPoint(0.56, 0.49, FocalSource.EDITOR)
    assert made == {name: crop_for(each, (640, 384), focal) for name, each in SETS.items()} | {"hero": drawn}


async def test_a_prompt_is_edited_and_painted_by_the_newest_save(gateway: GatewayProcess, api: DeskApi) -> None:
    """What the editor wrote stays while the article is saved again; the request has that save's text and revision.

    The form of the next story in that section begins with the style and the number that were taken.
    """
    await api.save("a-paint", revision=3)
    await api.slot_when("a-paint", is_settled)
    async with desk_page(gateway, "#/a/a-paint/hero") as page:
        await page.get_by_label("Prompt", exact=True).fill("A lighthouse in a storm")
        await page.get_by_text("Anime", exact=False).first.click()
        await page.get_by_text("2", exact=True).first.click()
        await api.save("a-paint", revision=4, article={"headline": "Storm passes"})
        await page.get_by_text("revision 4", exact=False).first.wait_for()
        assert await page.get_by_label("Prompt", exact=True).input_value() == "A lighthouse in a storm"
        await page.get_by_role("button", name="Paint 2 pictures").click()
        detail = await api.slot_when("a-paint", lambda one: is_settled(one) and len(one["shown"]["pictures"]) == 2)
        await page.get_by_text("asked for 2 new pictures").wait_for()
        await api.save("a-next")
        await page.evaluate("location.hash = '#/a/a-next/hero'")
        await page.get_by_role("button", name="Paint 2 pictures").wait_for()
        assert await page.locator("input[name=style]:checked").get_attribute("value") == "anime"

    request = detail["history"][0]["request"]
    assert (request["article"]["revision"], request["article"]["headline"]) == (4, "Storm passes")
    assert (request["brief"]["prompt"], request["style"]["preset"]) == ("A lighthouse in a storm", "anime")
    assert (request["reason"], request["priority"], request["output"]["variants"]) == ("regenerate", "interactive", 2)
    assert "lighthouse" in detail["shown"]["prompt"]


async def test_a_size_that_is_too_large_is_said_beside_its_field(gateway: GatewayProcess, api: DeskApi) -> None:
    """The form refuses what cannot be a size, and shows the gateway's sentence where the gateway refuses one."""
    await api.save("a-size")
    async with desk_page(gateway, "#/a/a-size/hero", refused="422") as page:
        size = page.get_by_label("Size", exact=True)
        await size.fill("wide")
        paint = page.get_by_role("button", name=re.compile("^Paint "))
        await paint.click()
        await page.get_by_text("Write a ratio such as 16:9").wait_for()
        await size.fill("9000x9000")
        await paint.click()
        await page.locator("#size-error").get_by_text("64 to 2048", exact=False).wait_for()
        assert await size.get_attribute("aria-invalid") == "true"
        await size.fill("")


async def test_words_are_kept_with_the_crops(gateway: GatewayProcess, api: DeskApi) -> None:
    """Alt text and caption choose the picture with the crops that it has, and outlive a later save."""
    await api.save("a-words")
    detail = await api.slot_when("a-words", is_settled)
    picture = {"sha256": detail["shown"]["pictures"][0]["sha256"]}
    crop = {"x": 10, "y": 20, "width": 320, "height": 180}
    cropped = {"picture": picture, "focal_point": {"x": 0.2, "y": 0.3}, "crops": {"hero": crop}}
    await api.call("POST", "/v1/articles/a-words/slots/hero/crop", cropped)
    await api.slot_when("a-words", lambda one: is_settled(one) and one["latest"]["kind"] == "crop")
    async with desk_page(gateway, "#/a/a-words/hero") as page:
        await page.get_by_label("Alt text").fill("Ferries tied up in a storm.")
        await page.get_by_label("Caption").fill("No ferry leaves tonight.")
        await page.get_by_role("button", name="Save and choose").click()
        await page.wait_for_function("() => document.querySelector('#html').value.includes('No ferry leaves tonight.')")
        await api.slot_when("a-words", is_chosen)
        await api.save("a-words", revision=2)
        detail = await api.slot_when("a-words", lambda one: is_settled(one) and one["revision"] == 2)

    shown = detail["shown"]
    assert (shown["alt"], shown["caption"]) == ("Ferries tied up in a storm.", "No ferry leaves tonight.")
    assert crops_of(detail)["hero"] == crop
    assert shown["pictures"][0]["focal_point"] == {"x": 0.2, "y": 0.3, "source": "editor"}


async def test_a_key_that_may_only_read_is_offered_nothing_else(gateway: GatewayProcess, api: DeskApi) -> None:
    """No picture can be chosen or opened to be, no form is there, and what is left stands at the left."""
    await api.save("a-read", output={"variants": 2})
    await api.slot_when("a-read", is_settled)

    async def reader(route: Any) -> None:
        answer = await route.fetch()
        await route.fulfill(json={**await answer.json(), "scopes": ["read"]})

    async with desk_page(gateway, "#/") as page:
        await page.route("**/v1/session", reader)
        await page.goto(f"{gateway.url}/desk/#/a/a-read/hero")
        await page.reload()
        await page.get_by_role("heading", name="Use it").wait_for()
        await page.locator("desk-variants figure").nth(1).wait_for()
        assert await page.locator("desk-variants button, .actions button, .thumbs button").count() == 0
        assert await page.locator("desk-slot .panel:visible h2").all_inner_texts() == ["Use it", "History"]
        taking, history = [await page.locator(f"#{name}-title").bounding_box() for name in ("taking", "history")]
        assert taking["x"] == history["x"]


async def test_a_file_is_downloaded_under_a_good_name(gateway: GatewayProcess, api: DeskApi) -> None:
    """The original and a rendition are saved under headline, slot and size."""
    await api.save("a-files")
    await api.slot_when("a-files", is_settled)
    names, files = [], []
    async with desk_page(gateway, "#/a/a-files/hero") as page:
        await page.get_by_text("Download files").click()
        for link in ("Original", "hero-640"):
            async with page.expect_download() as downloading:
                await page.get_by_role("link", name=link).first.click()
            saved = await downloading.value
            files.append(await saved.path())
            names.append(saved.suggested_filename)

        assert all(await asyncio.to_thread(lambda: [file.stat().st_size > 100 for file in files]))
    assert names == ["storm-over-the-harbour-hero.png", "storm-over-the-harbour-hero-640.avif"]


async def test_a_held_story_is_approved(gateway: GatewayProcess, api: DeskApi) -> None:
    """The rule's sentence and a button; then the picture, and both in the history."""
    await api.save("a-held", article={"section": "Courts"})
    async with desk_page(gateway, "#/a/a-held/hero") as page:
        await page.get_by_text("Court reports need an editor's approval.").first.wait_for()
        await page.get_by_role("button", name="Approve and paint").click()
        await api.slot_when("a-held", lambda one: one["shown"] is not None)
        await page.get_by_text("approved the request").wait_for()
        await page.locator(".history .thumbs button").first.wait_for()


async def test_declined_and_failed_say_why_and_what_to_do(gateway: GatewayProcess, api: DeskApi) -> None:
    """A declined save has the rule's sentence; a choice that failed its reason and what to do."""
    await api.save("a-no", article={"section": "Obituaries"})
    await api.slot_when("a-no", is_settled)
    async with desk_page(gateway, "#/a/a-no/hero") as page:
        await page.get_by_text("Declined by the rule “obituaries”: Obituaries get no generated picture.").wait_for()
        await api.call("POST", "/v1/articles/a-no/slots/hero/choose", {"picture": {"sha256": "0" * 64}})
        entry = page.locator(".history li").filter(has_text="The store has no such picture any more.")
        await entry.wait_for()
        assert not await entry.locator(".quote").is_visible()
        await entry.get_by_text("In exact words").click()
        assert "The store has no picture with this" in await entry.locator(".quote").inner_text()


async def test_pictures_are_taken_down_after_a_question(gateway: GatewayProcess, api: DeskApi) -> None:
    """W asks; then pictures and forms are gone, the history has the reason, and the slot can be opened again."""
    await api.save("a-down")
    await api.slot_when("a-down", is_settled)
    async with desk_page(gateway, "#/a/a-down/hero") as page:
        await page.get_by_role("heading", name="Words").wait_for()
        await page.keyboard.press("w")
        await page.get_by_label("Reason").fill("A court ordered it.")
        await page.get_by_role("dialog").get_by_role("button", name="Take down").click()
        await page.get_by_text("took the pictures down: A court ordered it.").wait_for()
        await page.get_by_role("heading", name="Words").wait_for(state="hidden")
        await page.get_by_text("Its picture was taken down.").wait_for()
        assert await page.locator(".history .thumbs").count() == 0
        await page.get_by_role("button", name="Open again").click()
        await page.get_by_text("opened the slot again").wait_for()


@pytest.mark.parametrize(
    ("scheme", "locale", "width"), [("light", "en-GB", 1280), ("dark", "zh-CN", 360), ("dark", "en-GB", 1280)]
)
async def test_it_is_accessible(gateway: GatewayProcess, api: DeskApi, scheme: str, locale: str, width: int) -> None:
    """Nothing is found by axe in the slot and in the crop editor, in both languages and schemes, and on a phone."""
    await api.save("a-axe")
    await api.slot_when("a-axe", is_settled)
    view: dict[str, Any] = {"color_scheme": scheme, "locale": locale, "viewport": {"width": width, "height": 800}}
    async with desk_page(gateway, "#/a/a-axe/hero", reduced_motion="reduce", **view) as page:
        await page.locator(".history .thumbs desk-picture.loaded").first.wait_for()
        for summary in await page.locator("desk-slot summary").all():
            await summary.click()
        assert (await Axe().run(page)).response["violations"] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.locator("desk-article h1").click()
        await page.keyboard.press("c")
        await page.locator(".crop-point:focus").wait_for()
        await page.keyboard.press("-")
        assert (await Axe().run(page)).response["violations"] == []
