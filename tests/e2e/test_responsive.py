"""The HTML of docs/cms/responsive.md: alike from both programs, and in a real browser."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from consumer.dev.demo import responsive
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.browser import chromium
from tests.support.harness import BOUND, Site, answer, cms, request_data, workers

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "docs" / "clients"
EXAMPLES = ROOT / "schemas" / "examples" / "image-ready" / "v1"
PLACEHOLDER = r"url\(([^)]+)\)"


def read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["data"]
    return data


def pixels(data_url: str) -> Any:
    return decoded(base64.b64decode(data_url.removeprefix("data:image/png;base64,")))


def decoded(data: bytes) -> Any:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


@pytest.fixture(scope="module")
def ready(kafka: KafkaServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ready event of a picture large enough for every width, whose files a real store serves."""
    site = Site.fresh(kafka, s3).prepare()
    public = f"{s3.endpoint_url}/{site.env['LEADART_STORAGE__BUCKET']}"
    site = site.changed(STORAGE__PUBLIC_BASE_URL=public)
    with workers(site, tmp_path_factory.mktemp("worker")), ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, painted(site)).result(BOUND)


async def painted(site: Site) -> dict[str, Any]:
    """Ask for a picture and return its outcome."""
    async with cms(site) as desk:
        return await answer(desk, await desk.ask(request_data("a-1", output={"width": 2048, "height": 1152})))


@pytest.fixture
async def address(ready: dict[str, Any]) -> AsyncIterator[str]:
    """The address of a page with the event's figure, as wide as the window, above a paragraph.

    At /strict, it forbids what its figure has of inline styles and data.
    """
    style = (CLIENTS / "responsive.css").read_text(encoding="utf-8")
    head = f"<meta charset=utf-8><title>An article</title><style nonce=own>body {{ margin: 0 }}\n{style}</style>"
    body = f"{responsive.figure(ready, first=True)}<p>The article's text.</p>"

    async def page(request: web.Request) -> web.Response:
        html = f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>"
        policy = {"content-security-policy": "style-src 'nonce-own'; img-src http:"}
        return web.Response(text=html, content_type="text/html", headers=policy if request.path == "/strict" else None)

    application = web.Application()
    application.router.add_get("/{name:.*}", page)
    async with TestServer(application) as server:
        yield str(server.make_url("/"))


@asynccontextmanager
async def window(width: int, ratio: float = 1) -> AsyncIterator[Any]:
    """Open a browser's window of so many CSS pixels across, each of `ratio` device pixels."""
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": width, "height": 700}, device_scale_factor=ratio)
        yield await context.new_page()


@asynccontextmanager
async def held_back(page: Any) -> AsyncIterator[asyncio.Event]:
    """Let the window wait for pictures until the event is set."""
    gate = asyncio.Event()

    async def hold(route: Any) -> None:
        async with asyncio.timeout(BOUND):
            await gate.wait()
        await route.continue_()

    await page.route("**/pictures/**", hold)
    yield gate
    await page.unroute_all(behavior="wait")


async def shown(page: Any) -> str:
    """Wait for the picture and return the address that the browser chose."""
    loaded = "() => { const image = document.querySelector('img'); return image.complete && image.naturalWidth > 0 }"
    await page.wait_for_function(loaded)
    address: str = await page.evaluate("document.querySelector('img').currentSrc")
    return address


async def colours(page: Any) -> Any:
    """Return the picture's pixels as the window shows them."""
    return decoded(await page.locator("img").screenshot())


def file_of(ready: dict[str, Any], address: str) -> dict[str, Any]:
    (file,) = [file for file in ready["pictures"][0]["renditions"] if file["url"] == address]
    return dict(file)


@pytest.mark.parametrize(
    ("width", "ratio", "needed"),
    [(400, 1, 640), (400, 2, 960), (800, 1, 960), (800, 2, 1920), (1400, 1, 1920), (1400, 2, 1920)],
)
async def test_a_browser_takes_the_file_that_fits(
    ready: dict[str, Any], address: str, width: int, ratio: int, needed: int
) -> None:
    """At every width and density it loads one file: AVIF, the narrowest that fills the pixels, else the widest."""
    async with window(width, ratio) as page:
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        await page.goto(address)
        chosen = file_of(ready, await shown(page))

    assert (chosen["media_type"], chosen["width"]) == ("image/avif", needed)
    assert [url for url in loaded if "/pictures/" in url] == [chosen["url"]]


async def test_a_browser_without_avif_takes_webp(ready: dict[str, Any], address: str) -> None:
    """Where AVIF is not read, the WebP of the same width is loaded."""
    async with window(800) as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Emulation.setDisabledImageTypes", {"imageTypes": ["avif"]})
        await page.goto(address)
        chosen = file_of(ready, await shown(page))

    assert (chosen["media_type"], chosen["width"]) == ("image/webp", 960)


async def test_nothing_moves_when_the_picture_comes(address: str) -> None:
    """The picture's place is kept from the start: the browser counts no layout shift."""
    async with window(800) as page, held_back(page) as gate:
        await page.goto(address, wait_until="domcontentloaded")
        before = await box(page, "p")
        gate.set()
        await shown(page)
        after, shift = await box(page, "p"), await page.evaluate(SHIFT)

    assert before == after
    assert shift == 0


async def test_a_strict_policy_costs_the_placeholder_alone(ready: dict[str, Any], address: str) -> None:
    """Where a Content-Security-Policy forbids inline styles, the picture is the same, and nothing moves either."""
    async with window(800) as page:
        await page.goto(f"{address}strict")
        chosen = file_of(ready, await shown(page))
        background = await page.evaluate("getComputedStyle(document.querySelector('img')).backgroundImage")
        shift = await page.evaluate(SHIFT)

    assert (chosen["media_type"], chosen["width"]) == ("image/avif", 960)
    assert background == "none"
    assert shift == 0


SHIFT = """async () => {
  let sum = 0;
  const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => { sum += entry.value }));
  observer.observe({ type: "layout-shift", buffered: true });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  observer.takeRecords().forEach((entry) => { sum += entry.value });
  return sum;
}"""


async def test_the_placeholder_is_there_first(ready: dict[str, Any], address: str) -> None:
    """Before a byte of the picture has come, its blurred colours are where it will be; then it covers them."""
    async with window(400) as page, held_back(page) as gate:
        await page.goto(address, wait_until="domcontentloaded")
        before = await colours(page)
        gate.set()
        chosen = file_of(ready, await shown(page))
        after = await colours(page)

    blurred = pixels(responsive.placeholder(ready["pictures"][0]["thumbhash"]))
    painted = await asyncio.to_thread(fetched, chosen["url"])
    assert abs(before.mean(axis=(0, 1)) - blurred.mean(axis=(0, 1))).max() < 12
    assert abs(after.mean(axis=(0, 1)) - painted.mean(axis=(0, 1))).max() < 12
    assert after.std() > before.std() + 5


def fetched(url: str) -> Any:
    """Fetch a picture and return its pixels."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return decoded(answer.read())


async def test_the_badge_can_be_read(address: str) -> None:
    """It lies on the picture, uncovered, with the contrast that WCAG asks of small text (4.5 to 1)."""
    async with window(400) as page:
        await page.goto(address)
        await shown(page)
        badge, picture = await box(page, ".leadart-badge"), await box(page, "img")
        seen = await page.evaluate(f"document.elementFromPoint({badge['x'] + 4}, {badge['y'] + 4}).textContent")
        letters, ground = await page.evaluate(
            "(() => { const s = getComputedStyle(document.querySelector('.leadart-badge'));"
            " return [s.color, s.backgroundColor] })()"
        )

    assert seen == "AI-generated"
    assert picture["x"] <= badge["x"]
    assert badge["y"] + badge["height"] <= picture["y"] + picture["height"]
    assert contrast(letters, ground) >= 4.5


async def box(page: Any, selector: str) -> dict[str, float]:
    """Return where an element lies in the window."""
    return dict(await page.locator(selector).bounding_box())


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast ratio of two opaque CSS colours, such as `rgb(17, 17, 17)`."""
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    assert colour.startswith("rgb("), colour
    shares = [int(share) / 255 for share in colour[4:-1].split(",")]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def of_javascript(javascript: Path, cases: list[dict[str, Any]]) -> list[str]:
    """Return what docs/clients/responsive.mjs makes of each case."""
    shutil.copy(CLIENTS / "responsive.mjs", javascript)
    command = ["node", str(javascript / "responsive_cases.mjs")]
    text = json.dumps(cases)
    done = subprocess.run(  # noqa: S603 - our own
        command, input=text, capture_output=True, text=True, timeout=BOUND, check=True
    )
    made: list[str] = json.loads(done.stdout)
    return made


def nasty() -> dict[str, Any]:
    ready = read("renditions.json")
    ready["alt"] = ready["disclosure"]["credit_line"] = """<script> & "'> ünïcode 文章 🌩"""
    for number, file in enumerate(ready["pictures"][0]["renditions"]):
        file["url"] = f", https://x/{number}?a=1&b=\"2',"
    ready["pictures"][0]["focal_point"] = {"x": 1 / 3, "y": 0.99, "source": "editor"}
    return ready


def without_placeholder(html: str) -> str:
    return re.sub(PLACEHOLDER, "url()", html)


def captioned() -> dict[str, Any]:
    return {**nasty(), "caption": """No "ferry" <leaves> & 'sails'"""}


@pytest.mark.parametrize(
    "event",
    [read("renditions.json"), read("two-variants.json"), nasty(), captioned()],
    ids=["new", "old", "nasty", "captioned"],
)
@pytest.mark.parametrize("shape", ["hero", "thumb", "none"])
def test_both_programs_make_the_same_html(javascript: Path, event: dict[str, Any], shape: str) -> None:
    """The JavaScript to copy makes what the Python makes, but for how it packs the placeholder's pixels."""
    options: dict[str, Any] = {
        "shape": shape,
        "sizes": "(min-width: 60rem) 40rem, 100vw",
        "first": True,
        "badge": "AI & <you>",
    }
    cases = [{"call": "figure", "arguments": [event, options]}, {"call": "socialTags", "arguments": [event]}]
    theirs = of_javascript(javascript, cases)

    assert [without_placeholder(html) for html in theirs] == [
        without_placeholder(responsive.figure(event, **options)),
        responsive.social_tags(event),
    ]


def test_both_programs_decode_the_same_placeholder(javascript: Path) -> None:
    """The Python decodes a ThumbHash as its author's JavaScript does, of wide, tall and square pictures."""
    hashes = [base64.b64encode(random.Random(seed).randbytes(24)).decode() for seed in range(200)]
    opaque = [each for each in hashes if base64.b64decode(each)[2] < 128 and base64.b64decode(each)[3] & 7]
    theirs = of_javascript(javascript, [{"call": "placeholder", "arguments": [each]} for each in opaque])

    assert len(opaque) > 50
    for each, other in zip(opaque, theirs, strict=True):
        ours = pixels(responsive.placeholder(each))
        assert ours.shape == pixels(other).shape
        assert abs(ours - pixels(other)).max() <= 1
