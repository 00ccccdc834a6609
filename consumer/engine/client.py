"""The Z-Image engine as the worker sees it: a process on each device, and one pool of pictures in front of them.

No torch here. A picture goes to the ready device with the least work in its way. What a process had in hand when it
died goes to any device that is ready. A picture that was being painted is then painted by itself; if that ends a second
process, on whatever device, the picture is refused as poison and everything else goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import structlog

from consumer.engine.device_worker import DeviceUnusable, DeviceWorker
from consumer.engine.devices import find_devices
from consumer.engine.environment import child_environment
from consumer.engine.request import PaintRequest
from consumer.errors import Fatal, LeadartError, Transient
from consumer.jobs import Paintable
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from consumer.engine.protocol import Ready
    from consumer.jobs import Lane, Picture, Recipe
    from consumer.settings import EngineSettings

CHILD = (sys.executable, "-P", "-m", "consumer.engine.runtime.main")
"""The command of the real engine process."""

_log = structlog.get_logger(__name__)


class ZImageEngine:
    """Paints with Z-Image in a child process per device; implements `consumer.ports.Engine`.

    `command` starts a child. Leaving the context ends the children within about two seconds; whoever still waits for a
    picture then gets `Transient`.
    """

    def __init__(self, settings: EngineSettings, *, command: Sequence[str] = CHILD) -> None:
        self._settings = settings
        self._command = command
        self._numbers = itertools.count(1)
        self._wishes: dict[int, PaintRequest] = {}
        self._seats: list[DeviceWorker] = []
        self._given_up: set[DeviceWorker] = set()
        self._what_paints: Ready | None = None
        self._all_up = asyncio.Event()
        self._closed: LeadartError | None = Transient(Reason.ENGINE_FAILED, "The engine is not open.")
        self._session = self._run()

    @property
    def paintable(self) -> Paintable:
        """The model and adapters in use, the same on all devices; known once the context is entered."""
        return Paintable(self._opened.model, {adapter.name: adapter.sha256 for adapter in self._opened.adapters})

    @property
    def devices(self) -> int:
        """On how many devices it was started; those given up since count too."""
        return len(self._seats)

    @property
    def device_ready(self) -> Mapping[str, bool]:
        """Whether a process with a loaded model answers on each device, by the device's name."""
        return {seat.device.name: seat.ready for seat in self._seats}

    @property
    def ready(self) -> bool:
        """True while a process with a loaded model answers on at least one device."""
        return any(seat.ready for seat in self._seats)

    @property
    def restarts(self) -> int:
        """How often a process died, on all devices, since the context was entered."""
        return sum(seat.restarts for seat in self._seats)

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Paint one picture; see the port. Raises `Fatal` when the engine has given up."""
        if self._closed:
            raise self._closed
        wish = PaintRequest(next(self._numbers), recipe, lane, on_step, asyncio.get_running_loop().create_future())
        self._wishes[wish.number] = wish
        self._hand_over(wish)
        try:
            return await wish.result
        finally:
            del self._wishes[wish.number]
            for seat in self._seats:
                seat.drop(wish)

    async def __aenter__(self) -> Self:
        """Start a process on every device and load the model. Raises `Fatal` when one of them does not come up."""
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the processes. Raises the `Fatal` that ended the context early, if one did."""
        await self._session.__aexit__(*exc_info)  # type: ignore[arg-type]  # the same three, less precisely typed

    def came_up(self, seat: DeviceWorker, ready: Ready) -> None:
        """Send pictures to the worker from now on. Raises Fatal if it loaded another model than the others."""
        if self._what_paints and ready != self._what_paints:
            message = f"The model in {self._settings.model} is another on {seat.device.name} than it was before"
            raise Fatal(Reason.MODEL_UNAVAILABLE, f"{message}: its folder changed. Start the worker again.")
        self._what_paints = ready
        for wish in self._wishes.values():
            if not any(other.holds(wish) for other in self._seats):
                self._hand_over(wish)
        if all(other.ready for other in self._seats):
            self._all_up.set()

    def take_back(self, orphans: Sequence[PaintRequest]) -> None:
        """Hand what a dead process had in hand to who is ready, else to who is next to be; part of `DevicePool`."""
        for wish in orphans:
            self._hand_over(wish)

    @property
    def _opened(self) -> Ready:
        if self._what_paints is None:
            raise RuntimeError("The engine is not open")
        return self._what_paints

    def _hand_over(self, wish: PaintRequest) -> None:
        ready = [seat for seat in self._seats if seat.ready]
        if ready and not wish.result.done():
            min(ready, key=lambda seat: seat.work_ahead(wish.lane)).take(wish)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        body_error = None
        try:
            async with asyncio.TaskGroup() as tasks:
                keeper = tasks.create_task(self._keep_devices(), name="engine-keeper")
                await self._all_up.wait()
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - carried past the group, which would wrap it
                    body_error = error
                keeper.cancel()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        if body_error:
            raise body_error

    async def _keep_devices(self) -> None:
        """Have a process on each device until cancelled, and leave nobody waiting for a picture after that."""
        self._closed = None
        ended: LeadartError = Transient(Reason.ENGINE_FAILED, "The engine was closed before the picture was painted.")
        try:
            self._seats = await self._set_up()
            async with asyncio.TaskGroup() as tasks:
                for seat in self._seats:
                    tasks.create_task(self._keep(seat), name=f"engine-{seat.device.name}")
        except* Fatal as group:
            ended = _first(group)
            raise ended from None
        finally:
            self._closed = ended
            for wish in self._wishes.values():
                wish.settle(ended)

    async def _set_up(self) -> list[DeviceWorker]:
        settings = self._settings
        if settings.model is None:
            message = "LEADART_ENGINE__MODEL is not set: it names the folder of a Z-Image pipeline."
            raise Fatal(Reason.MISCONFIGURED, message)
        devices = await find_devices(settings.devices, os.environ)
        return [
            DeviceWorker(device, settings, self._command, child_environment(settings, device, os.environ))
            for device in devices
        ]

    async def _keep(self, seat: DeviceWorker) -> None:
        """Keep the seat; give its device up when that is hopeless. Raises Fatal at the start, and for the last one."""
        try:
            await seat.keep(self)
        except DeviceUnusable as error:
            message = f"Device {seat.device.name}: {error.message}"
            self._given_up.add(seat)
            left = [other.device.name for other in self._seats if other not in self._given_up]
            if not self._all_up.is_set() or not left:
                raise Fatal(error.reason, message) from None
            _log.error("engine_device_given_up", device=seat.device.name, error=error.message, left=left)


def _innermost(error: BaseException) -> BaseException:
    """Return what went wrong, without the groups around it when it is one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _first(group: BaseExceptionGroup[Fatal]) -> Fatal:
    """Return one error of several: what ends one device at the start may well end another in the same moment."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Fatal)  # noqa: S101 - the group holds nothing else
    return error
