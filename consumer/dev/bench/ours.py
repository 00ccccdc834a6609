"""leadart's side as a process: the real worker with an empty engine, encoder and store.

Run `python -m consumer.dev.bench.ours` with the settings in the environment; SIGTERM stops it.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Self

from consumer.jobs import (
    FoundPicture,
    Lane,
    Master,
    ModelIdentity,
    Paintable,
    PaintedFor,
    Picture,
    Recipe,
    StoredPicture,
    Use,
    Withdrawn,
)
from consumer.pictures.rendition_file import RenditionFile
from consumer.renditions import EncodedRenditions, RenditionOrder, StoredRendition, StoredRenditions
from consumer.settings import Settings, load_settings
from consumer.stages import open_stages
from consumer.storage import rendition_manifest_key, stored_picture, stored_renditions
from consumer.telemetry.logs import configure_logs
from consumer.worker import WorkerRun

_PIXEL = bytes(3)
_BYTES = b"leadart bench"
_NO_SETS = RenditionFile((), {}, None)
"""No renditions: what is measured is delivery, and the other side makes none."""


class EmptyEngine:
    """An `Engine` that returns one black pixel for every recipe, immediately and without a step."""

    paintable = Paintable(ModelIdentity("empty", "0" * 64))
    ready = True
    restarts = 0
    devices = 1
    device_ready: Mapping[str, bool] = MappingProxyType({})

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Return the pixel."""
        del lane, on_step
        return Picture(recipe, 1, 1, _PIXEL, 0.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Do nothing."""


class EmptyEncoder:
    """An encoder that encodes nothing."""

    async def encode(self, picture: Picture) -> Master:
        """Return the same bytes for every picture."""
        return Master(_BYTES, "image/png", picture.width, picture.height)

    async def render(self, master: bytes, order: RenditionOrder) -> EncodedRenditions:
        """Return no rendition."""
        del master, order
        return EncodedRenditions((), (), "", "")


class EmptyStore:
    """A `Store` in a dictionary; it remembers which recipes were kept, since the pipeline asks."""

    def __init__(self) -> None:
        self._kept: dict[str, StoredPicture] = {}
        self._renditions: dict[str, StoredRenditions] = {}

    async def prepare(self, *, create: bool = False, public: bool = False) -> None:
        """Do nothing."""

    async def probe(self) -> None:
        """Do nothing."""

    async def addresses_end_early(self) -> bool:
        """Return False: addresses do not expire."""
        return False

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return the recipe's picture if it was kept."""
        return self._kept.get(recipe.digest)

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Remember the recipe."""
        return self._kept.setdefault(recipe.digest, replace(stored_picture(recipe, master), painted_for=asked.use))

    async def refer(self, picture: StoredPicture, use: Use) -> bool:
        """Return whether the picture was kept."""
        del use
        return picture.recipe in self._kept

    async def withdraw(self, article_id: str, slot: str | None, by: str | None = None) -> Withdrawn:
        """Return that there was nothing: no bench withdraws."""
        del article_id, slot, by
        return Withdrawn()

    async def restore(self, article_id: str, slot: str | None) -> None:
        """Do nothing."""

    async def look_up(self, picture: str, *, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        """Return None: no bench looks a picture up."""
        del picture, by
        return None

    async def read(self, picture: StoredPicture) -> bytes | None:
        """Return the bytes of every picture."""
        del picture
        return _BYTES

    async def find_renditions(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what was kept for the order."""
        return self._renditions.get(rendition_manifest_key(picture, order))

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions:
        """Remember what was made."""
        return self._renditions.setdefault(rendition_manifest_key(picture, order), stored_renditions(made))

    async def url(self, picture: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        """Return an address that leads nowhere and does not expire."""
        return f"https://pictures.invalid/{picture.key}", None


async def work(settings: Settings) -> None:
    """Work until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with open_stages(settings) as stages:
        bare = replace(
            stages,
            sets=_NO_SETS,
            engine=EmptyEngine(),
            encoder=EmptyEncoder(),
            store=EmptyStore(),
        )
        await WorkerRun(settings, bare).work(stopping, lambda _served: None)


if __name__ == "__main__":
    settings = load_settings()
    configure_logs(settings.log)
    asyncio.run(work(settings))
