"""The swatch engine, a fake engine without torch: labelled colour cards instead of pictures, at a configured pace.

For integrating a CMS on a laptop and for tests: everything but the picture is real, and each card names its recipe.
"""

import asyncio
import hashlib
import heapq
import itertools
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from textwrap import wrap
from typing import Self

from PIL import Image, ImageColor, ImageDraw, ImageFont

from consumer.jobs import Lane, ModelIdentity, Paintable, Picture, Recipe
from consumer.settings import EngineSettings

MODEL = ModelIdentity(name="swatch", sha256=hashlib.sha256(b"leadart swatch 1").hexdigest())
"""Identity of the engine; the number rises when the same recipe gives another card."""

_LINES = 6


class SwatchEngine:
    """Makes `settings.batch_size` cards at a time, each in `settings.swatch_seconds`.

    Implements `consumer.ports.Engine`.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._seconds = settings.swatch_seconds
        self._slots = _CardSlots(settings.batch_size)
        self._threads: ThreadPoolExecutor | None = None

    @property
    def paintable(self) -> Paintable:
        """`MODEL`, and no adapters: a card shows its recipe, and a style's LoRAs have no part in it."""
        return Paintable(MODEL)

    @property
    def ready(self) -> bool:
        """True while the context is open."""
        return self._threads is not None

    @property
    def devices(self) -> int:
        """Always 1."""
        return 1

    @property
    def device_ready(self) -> Mapping[str, bool]:
        """Always empty: there is no process."""
        return {}

    @property
    def restarts(self) -> int:
        """Always 0: there is no process to replace."""
        return 0

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Make one card; see the port. Raises neither `Transient` nor `Unpaintable`."""
        async with self._slots.slot(lane):
            started = time.monotonic()
            for done in range(1, recipe.steps + 1):
                await asyncio.sleep(self._seconds / recipe.steps)
                on_step(done, recipe.steps)
            rgb = await asyncio.get_running_loop().run_in_executor(self._threads, draw_card, recipe)
            return Picture(recipe, recipe.width, recipe.height, rgb, time.monotonic() - started)

    async def __aenter__(self) -> Self:
        """Open the engine; there is nothing to load."""
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="swatch")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the engine; a card being drawn finishes within milliseconds and is discarded."""
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = None


class _CardSlots:
    """Slots for cards being made; a free one goes to the most urgent lane, within it to the first arrival."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    @asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Cancelling gives it up."""
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (lane.rank, next(self._arrivals), granted))
        self._grant()
        try:
            await granted
            yield
        finally:
            if granted.done() and not granted.cancelled():
                self._free += 1
                self._grant()

    def _grant(self) -> None:
        while self._free and self._queue:
            *_, granted = heapq.heappop(self._queue)
            if not granted.done():
                granted.set_result(None)
                self._free -= 1


def draw_card(recipe: Recipe) -> bytes:
    """Return the recipe's card as 8-bit sRGB, row-major: the same recipe gives the same card, another gives another."""
    digest = bytes.fromhex(recipe.digest)
    size = (recipe.width, recipe.height)
    hue = digest[0] * 360 // 256
    slope = Image.linear_gradient("L").rotate(digest[1] * 360 // 256, Image.Resampling.BICUBIC)
    mask = slope.crop((38, 38, 218, 218)).resize(size)  # the part of its 256 x 256 that no rotation leaves empty
    card = Image.composite(_plain(size, hue, 72), _plain(size, (hue + 40) % 360, 38), mask)
    draw = ImageDraw.Draw(card, "RGBA")
    for x, y, across in zip(digest[2::3], digest[3::3], digest[4::3], strict=False):
        _spot(draw, size, (x / 255, y / 255), across / 512)
    _label(draw, size, recipe)
    return card.tobytes()


def _plain(size: tuple[int, int], hue: int, light: int) -> Image.Image:
    return Image.new("RGB", size, ImageColor.getrgb(f"hsl({hue}, 55%, {light}%)"))


def _spot(draw: ImageDraw.ImageDraw, size: tuple[int, int], at: tuple[float, float], across: float) -> None:
    x, y, radius = at[0] * size[0], at[1] * size[1], across * min(size) / 2
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255, 36))


def _label(draw: ImageDraw.ImageDraw, size: tuple[int, int], recipe: Recipe) -> None:
    width, height = size
    letter = max(8, width // 28)
    columns = max(1, width * 2 // letter - 4)
    font = ImageFont.load_default(letter)
    across, down = recipe.size
    facts = f"swatch | {recipe.style} {recipe.style_version} | {across}x{down} | seed {recipe.seed}"
    lines = [line for text in (facts, legible(recipe.prompt)) for line in wrap(text, columns)][:_LINES]
    top = height - (len(lines) + 1) * letter * 5 // 4
    draw.rectangle((0, top - letter // 2, width, height), fill=(16, 16, 20, 200))
    draw.multiline_text((letter, top), "\n".join(lines), fill=(255, 255, 255), font=font, spacing=letter // 4)


def legible(text: str) -> str:
    """Return the text in letters of the built-in font: accents are dropped, other scripts become code points."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(char if char.isascii() else f"{ord(char):04X} " for char in plain if char.isprintable())
