"""The worker's pipeline over simulated devices: what it needs of the outside world in virtual time.

Pictures have no pixels: a master's bytes are its recipe's digest, so that each recipe has a file of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final, Self

from consumer.dev.simulate.scenario import Fleet
from consumer.engine.request import PaintRequest
from consumer.jobs import Lane, Master, ModelIdentity, Paintable, Picture, Recipe
from consumer.processing.admission import Admission
from consumer.processing.announcing import Announcer
from consumer.processing.pipeline import Pipeline
from consumer.processing.renditions import RenditionStage
from consumer.processing.store_outage import StoreOutage
from consumer.processing.styles import Styles
from consumer.renditions import EncodedRenditions, RenditionOrder, RenditionSet
from consumer.settings.disclosure import DisclosureSettings
from consumer.testing.device import SimulatedDevice
from consumer.testing.store import MemoryStore

_PAINTABLE: Final = Paintable(ModelIdentity("simulated", "0" * 64))


class SimulatedEngine:
    """The `Engine` port over simulated devices. `painted` counts whole pictures."""

    def __init__(self, fleet: Fleet) -> None:
        self._devices = [SimulatedDevice(fleet.pace, _unheard) for _ in range(fleet.gpus)]
        self._numbers = count()
        self.painted = 0
        self.restarts = 0
        self.ready = True
        self.device_ready: Mapping[str, bool] = {}
        self.paintable = _PAINTABLE

    @property
    def devices(self) -> int:
        """The number of GPUs."""
        return len(self._devices)

    @property
    def busy_seconds(self) -> float:
        """Seconds of all devices; exact while none of them paints."""
        return sum(device.busy_seconds for device in self._devices)

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Paint on the device with the least work ahead. Cancelling drops the picture at the next step."""
        future: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        request = PaintRequest(next(self._numbers), recipe, lane, on_step, future)
        device = min(self._devices, key=lambda device: device.work_ahead(lane))
        device.take(request)
        try:
            picture = await future
        finally:
            device.drop(request)
        self.painted += 1
        return picture

    async def __aenter__(self) -> Self:
        """Load nothing."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End nothing."""


class _DigestEncoder:
    async def encode(self, picture: Picture) -> Master:
        return Master(picture.recipe.digest.encode(), "image/png", picture.width, picture.height)

    async def render(self, master: bytes, order: RenditionOrder) -> EncodedRenditions:
        raise AssertionError(master, order)


class _NoRenditions:
    def full(self, _slot: str) -> tuple[RenditionSet, ...]:
        return ()

    def thumbs(self, _slot: str) -> tuple[RenditionSet, ...]:
        return ()


def simulated_pipeline(tasks: asyncio.TaskGroup, engine: SimulatedEngine, fleet: Fleet, styles: Styles) -> Pipeline:
    """Return a worker's pipeline with an empty store; storing takes no time, and no renditions are made."""
    store, encoder, outage = MemoryStore(), _DigestEncoder(), StoreOutage()
    return Pipeline(
        tasks,
        styles=styles,
        admission=Admission(window=fleet.window * fleet.gpus, unstored=fleet.unstored),
        engine=engine,
        encoder=encoder,
        store=store,
        renditions=RenditionStage(tasks, sets=_NoRenditions(), encoder=encoder, store=store, outage=outage),
        announcer=Announcer(store, outage, DisclosureSettings()),
        outage=outage,
    )


def _unheard(_lane: Lane, _steps: int, _seconds: float) -> None:
    """Ignore who waited for how many steps."""
