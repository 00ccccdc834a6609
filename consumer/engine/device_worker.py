"""One device's place in the engine: keeps a process there, hands it pictures, and replaces it when it dies.

A process dies in many ways and each is seen: it exits (a lost CUDA context does that), it is killed, it falls silent,
it takes too long to load, it garbles, it no longer reads. What it had in hand goes back to the pool, once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from consumer.engine.process import open_child
from consumer.engine.protocol import Drop, Failed, Open, Painted, Ready, Refused, Running, StepDone
from consumer.engine.request import work_ahead
from consumer.errors import Fatal, Rejected, Transient, Unpaintable
from consumer.jobs import Picture
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.engine.devices import EngineDevice
    from consumer.engine.process import Child
    from consumer.engine.protocol import Reply
    from consumer.engine.request import PaintRequest
    from consumer.errors import LeadartError
    from consumer.jobs import Lane
    from consumer.settings import EngineSettings

_BEAT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.25
_MOST_BACKOFF_SECONDS = 1.0
_IDLE_DEATHS = 3
_DEATHS_IN_A_ROW = 10

_log = structlog.get_logger(__name__)


class DeviceUnusable(Fatal):
    """There is no use in another process on this device."""


class DevicePool(Protocol):
    """What a seat reports to."""

    def came_up(self, seat: DeviceWorker, ready: Ready) -> None:
        """Called when the seat's process can paint. Raises Fatal when it must not, which ends the engine."""

    def take_back(self, orphans: Sequence[PaintRequest]) -> None:
        """Called when the seat's process has died, with the pictures it had in hand."""


class DeviceWorker:
    """A process on a device for as long as `keep` runs. `restarts` counts its deaths."""

    def __init__(
        self, device: EngineDevice, settings: EngineSettings, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.device = device
        self.restarts = 0
        self._settings = settings
        self._command = command
        self._environment = environment
        self._child: Child | None = None
        self._in_hand: dict[int, PaintRequest] = {}
        self._running: set[int] = set()
        self._deaths_in_a_row = 0

    @property
    def ready(self) -> bool:
        """True while a process with a loaded model answers."""
        return self._child is not None

    def work_ahead(self, lane: Lane) -> tuple[int, int]:
        """Return the work in hand that a picture of the lane would wait for or share with, and all the work."""
        return work_ahead(lane, self._in_hand.values())

    def holds(self, wish: PaintRequest) -> bool:
        """True if the picture is in the process's hands."""
        return wish.number in self._in_hand

    def take(self, wish: PaintRequest) -> None:
        """Hand the picture to the process. Call only while `ready`."""
        if self._child:
            wish.steps_done = 0
            self._in_hand[wish.number] = wish
            self._child.send(wish.order)

    def drop(self, wish: PaintRequest) -> None:
        """Take a picture that nobody wants any more back from the process, if it is here."""
        if self._in_hand.pop(wish.number, None) and self._child:
            self._child.send(Drop(wish.number))

    async def keep(self, pool: DevicePool) -> None:
        """Have a process on the device until cancelled. Raises `DeviceUnusable`, or what the pool raises."""
        idle_deaths = 0
        while True:
            how = await self._one_child(pool)
            self.restarts += 1
            self._deaths_in_a_row += 1
            idle_deaths = 0 if self._running else idle_deaths + 1
            self._bury(pool, how)
            if idle_deaths == _IDLE_DEATHS or self._deaths_in_a_row == _DEATHS_IN_A_ROW:
                raise DeviceUnusable(Reason.ENGINE_FAILED, f"The engine's process keeps dying; the last one: {how}.")
            await asyncio.sleep(min(_BACKOFF_SECONDS * 2**idle_deaths, _MOST_BACKOFF_SECONDS))

    def _bury(self, pool: DevicePool, how: str) -> None:
        """Blame what was being painted and give everything in hand back."""
        orphans, self._in_hand = list(self._in_hand.values()), {}
        suspects, self._running = self._running, set()
        _log.warning(
            "engine_died",
            device=self.device.name,
            how=how,
            pictures=len(orphans),
            suspects=len(suspects),
            in_a_row=self._deaths_in_a_row,
        )
        for wish in orphans:
            if wish.number in suspects:
                wish.blame()
        pool.take_back(orphans)

    async def _one_child(self, pool: DevicePool) -> str:
        """Run one process from start to end; return how it ended."""
        try:
            async with open_child(self._command, self._environment) as child:
                beat = min(_BEAT_SECONDS, self._settings.step_timeout_seconds / 4)
                child.send(Open(self._settings, self.device.torch, beat))
                if ready := await self._load(child):
                    await self._serve(child, ready, pool)
        except OSError as error:
            return f"it could not be started ({error})"
        return child.obituary

    async def _load(self, child: Child) -> Ready | None:
        """Wait for the model; None when the process died over it."""
        limit = self._settings.load_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                reply = await child.reply()
        except TimeoutError:
            child.kill("not loaded in time")
            message = f"The model was not loaded within {limit:g} s (LEADART_ENGINE__LOAD_TIMEOUT_SECONDS)."
            raise DeviceUnusable(Reason.MODEL_UNAVAILABLE, message) from None
        if isinstance(reply, Refused):
            raise DeviceUnusable(reply.reason, reply.message)
        return reply if isinstance(reply, Ready) else None

    async def _serve(self, child: Child, ready: Ready, pool: DevicePool) -> None:
        """Take part in the pool until the process ends or falls silent."""
        self._child = child
        limit = self._settings.step_timeout_seconds
        try:
            _log.info(
                "engine_ready",
                device=self.device.name,
                model=ready.model.name,
                sha256=ready.model.sha256,
                pid=child.pid,
            )
            pool.came_up(self, ready)
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(child), name="engine-replies")
                silence = tasks.create_task(child.silence(limit), name="engine-watch")
                done, waiting = await asyncio.wait({listening, silence}, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
        finally:
            self._child = None
        if silence in done:
            child.kill(f"silent for {limit:g} s")

    async def _listen(self, child: Child) -> None:
        while (reply := await child.reply()) is not None:
            self._hear(reply)

    def _hear(self, reply: Reply) -> None:
        match reply:
            case Running(numbers):
                self._running = set(numbers)
            case StepDone(number, done, of):
                if wish := self._in_hand.get(number):
                    wish.step(done, of)
            case Painted(number) | Failed(number):
                self._running.discard(number)
                if isinstance(reply, Painted):
                    self._deaths_in_a_row = 0
                if wish := self._in_hand.pop(number, None):
                    wish.settle(_outcome(wish, reply))


def _outcome(wish: PaintRequest, reply: Painted | Failed) -> Picture | LeadartError:
    if isinstance(reply, Painted):
        return Picture(wish.recipe, reply.width, reply.height, reply.rgb, reply.seconds, prompt_cut=reply.prompt_cut)
    refused = (
        Rejected if reply.reason is Reason.TOO_LARGE else Unpaintable
    )  # a size too large says nothing of the engine
    kind = Transient if reply.transient else refused
    return kind(reply.reason, reply.message, field=reply.field)
