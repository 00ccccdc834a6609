"""One device of the engine: keeps a process there, sends it pictures, and replaces it when it dies.

Every way of dying is noticed: the process exits (as after a lost CUDA context), is killed, falls silent, takes too long
to load, sends garbage, or stops reading. Its pictures go back to the pool, once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import structlog

from consumer.engine import protocol
from consumer.engine.devices import EngineDevice
from consumer.engine.process import Child, ProcessEnd, open_child
from consumer.engine.request import PaintRequest, work_ahead
from consumer.engine.suspects import ProcessDeath
from consumer.errors import Fatal, LeadartError, Rejected, Transient, Unpaintable
from consumer.jobs import Lane, Picture
from consumer.settings import EngineSettings
from schemas import Reason

_BEAT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.25
_MAX_BACKOFF_SECONDS = 30.0
_IDLE_DEATHS = 3
_DEATHS_IN_A_ROW = 10
_GIVE_UP_SECONDS = 900.0
"""For so long the last device is given new processes although each dies before it starts a picture."""

_log = structlog.get_logger(__name__)


class DeviceUnusable(Fatal):
    """Starting another process on this device is pointless."""


class DevicePool(Protocol):
    """What a device worker reports to."""

    def worker_ready(self, worker: DeviceWorker, ready: protocol.Ready) -> None:
        """Called when the worker's process can paint. Raises Fatal when it must not, which ends the engine."""

    def worker_died(self, orphans: Sequence[PaintRequest], suspects: Collection[int], death: ProcessDeath) -> None:
        """Called when the worker's process has died, with its pictures and the numbers of those it was painting."""

    def painted(self, worker: DeviceWorker, request: PaintRequest | None) -> None:
        """Called when the worker's process has painted a picture, None for one that nobody waits for any more."""

    def can_spare(self, worker: DeviceWorker) -> bool:
        """Return whether another device is ready."""


class DeviceWorker:
    """A process on a device for as long as `run` runs. `restarts` counts its deaths."""

    def __init__(
        self, device: EngineDevice, settings: EngineSettings, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.device = device
        self.restarts = 0
        self._settings = settings
        self._command = command
        self._environment = environment
        self._child: Child | None = None
        self._in_flight: dict[int, PaintRequest] = {}
        self._running: set[int] = set()
        self._deaths_in_a_row = 0
        self._idle_deaths = 0
        self._painted_at = time.monotonic()  # or began to try
        self._was_ready = False
        self._started_at = time.monotonic()
        self._has_painted = False

    @property
    def ready(self) -> bool:
        """True while a process with a loaded model answers."""
        return self._child is not None

    def work_ahead(self, lane: Lane) -> tuple[int, int]:
        """Return the work that a picture of the lane would wait for or share steps with, and all the work."""
        return work_ahead(lane, self._in_flight.values())

    def has(self, request: PaintRequest) -> bool:
        """Return whether the picture was sent to this worker's process."""
        return request.number in self._in_flight

    def take(self, request: PaintRequest) -> None:
        """Send the picture to the process. Call only while `ready`."""
        if self._child:
            request.steps_done = 0
            self._in_flight[request.number] = request
            self._child.send(request.command)

    def drop(self, request: PaintRequest) -> None:
        """Have the process drop a picture that is no longer needed, if it has it."""
        if self._in_flight.pop(request.number, None) and self._child:
            self._child.send(protocol.Drop(request.number))

    async def run(self, pool: DevicePool) -> None:
        """Keep a process on the device until cancelled. Raises `DeviceUnusable`, or what the pool raises."""
        while True:
            end = await self._run_child(pool)
            self._handle_death(pool, end)
            if self._is_hopeless(pool):
                message = f"The engine's process keeps dying; the last one: {end.how}."
                raise DeviceUnusable(Reason.ENGINE_FAILED, message)
            await asyncio.sleep(min(_BACKOFF_SECONDS * 2**self._idle_deaths, _MAX_BACKOFF_SECONDS))

    def _is_hopeless(self, pool: DevicePool) -> bool:
        """Return whether to give the device up. The last one, once it was ready, is tried for `_GIVE_UP_SECONDS`."""
        if self._was_ready and not pool.can_spare(self):
            return self._idle_deaths >= _IDLE_DEATHS and time.monotonic() - self._painted_at > _GIVE_UP_SECONDS
        return self._idle_deaths >= _IDLE_DEATHS or self._deaths_in_a_row >= _DEATHS_IN_A_ROW

    def _handle_death(self, pool: DevicePool, end: ProcessEnd) -> None:
        """Return the process's pictures to the pool, with those that were being painted as suspects."""
        orphans, self._in_flight = list(self._in_flight.values()), {}
        suspects, self._running = self._running, set()
        self.restarts += 1
        self._deaths_in_a_row += 1
        self._idle_deaths = 0 if suspects else self._idle_deaths + 1
        _log.warning(
            "engine_died",
            device=self.device.name,
            how=end.how,
            pictures=len(orphans),
            suspects=len(suspects),
            in_a_row=self._deaths_in_a_row,
        )
        if end.out_of_memory:
            self._limit_batch(len(suspects))
        death = ProcessDeath(end, len(suspects) == 1, self._deaths_in_a_row, self._painted_at)
        pool.worker_died(orphans, suspects, death)

    def _limit_batch(self, painted_together: int) -> None:
        """Have later processes paint half as many pictures at once: this one ran out of memory."""
        limit = max(1, painted_together // 2)
        if limit < min(painted_together, self._settings.batch_size):
            self._settings = self._settings.model_copy(update={"batch_size": limit})
            _log.warning("engine_batch_limited", device=self.device.name, batch_size=limit)

    async def _run_child(self, pool: DevicePool) -> ProcessEnd:
        """Run one process from start to end; return how it ended."""
        self._started_at, self._has_painted = time.monotonic(), False
        try:
            async with open_child(self._command, self._environment) as child:
                beat = min(_BEAT_SECONDS, self._settings.step_timeout_seconds / 4)
                child.send(protocol.Open(self._settings, self.device.torch, beat, child.pictures))
                if ready := await self._load(child):
                    await self._serve(child, ready, pool)
        except OSError as error:
            return ProcessEnd(f"it could not be started ({error})")
        return child.how_it_ended

    async def _load(self, child: Child) -> protocol.Ready | None:
        """Wait for the model; return None if the process died while loading, or took too long once one was ready."""
        limit = self._settings.load_timeout_seconds
        why = f"not loaded within {limit:g} s (LEADART_ENGINE__LOAD_TIMEOUT_SECONDS)"
        try:
            async with asyncio.timeout(limit):
                reply = await child.reply()
        except TimeoutError:
            child.kill(why)
            if self._was_ready:
                return None
            raise DeviceUnusable(Reason.MODEL_UNAVAILABLE, f"The model was {why}.") from None
        if isinstance(reply, protocol.Refused):
            raise DeviceUnusable(reply.reason, reply.message)
        return reply if isinstance(reply, protocol.Ready) else None

    async def _serve(self, child: Child, ready: protocol.Ready, pool: DevicePool) -> None:
        """Paint for the pool until the process ends or falls silent."""
        self._child, self._was_ready = child, True
        limit = self._settings.step_timeout_seconds
        try:
            _log.info(
                "engine_ready",
                device=self.device.name,
                model=ready.model.name,
                sha256=ready.model.sha256,
                quantization=ready.model.quantization,
                pid=child.pid,
                kernels=ready.kernels,
                seconds=self._seconds_since_start(),
            )
            pool.worker_ready(self, ready)
            async with asyncio.TaskGroup() as tasks:
                replies = tasks.create_task(self._read_replies(child, pool), name="engine-replies")
                silence = tasks.create_task(child.wait_for_silence(limit), name="engine-watch")
                done, waiting = await asyncio.wait({replies, silence}, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
        finally:
            self._child = None
        if silence in done:
            child.kill(f"silent for {limit:g} s")

    async def _read_replies(self, child: Child, pool: DevicePool) -> None:
        while (reply := await child.reply()) is not None:
            self._handle(reply, pool)

    def _handle(self, reply: protocol.Reply, pool: DevicePool) -> None:
        match reply:
            case protocol.Compiled():
                self._log_compiled(reply)
            case protocol.Running(numbers):
                self._running = set(numbers)
            case protocol.StepDone(number, done, of):
                if request := self._in_flight.get(number):
                    request.report_step(done, of)
            case protocol.Painted(number) | protocol.Failed(number):
                self._running.discard(number)
                request = self._in_flight.pop(number, None)
                if request:
                    request.resolve(_outcome(request, reply))
                if isinstance(reply, protocol.Painted):
                    self._log_first_picture()
                    self._deaths_in_a_row = 0
                    self._painted_at = time.monotonic()
                    pool.painted(self, request)

    def _log_compiled(self, reply: protocol.Compiled) -> None:
        """Say what the process paints with from now on, or why it paints as before."""
        if reply.failure:
            _log.warning("engine_not_compiled", device=self.device.name, seconds=reply.seconds, error=reply.failure)
        else:
            _log.info("engine_compiled", device=self.device.name, seconds=reply.seconds, parts=reply.parts)

    def _log_first_picture(self) -> None:
        """Say how long after its start the process had painted its first picture."""
        if not self._has_painted:
            self._has_painted = True
            _log.info("engine_first_picture", device=self.device.name, seconds=self._seconds_since_start())

    def _seconds_since_start(self) -> float:
        return round(time.monotonic() - self._started_at, 1)


def _outcome(request: PaintRequest, reply: protocol.Painted | protocol.Failed) -> Picture | LeadartError:
    if isinstance(reply, protocol.Painted):
        return Picture(
            request.recipe,
            reply.width,
            reply.height,
            reply.rgb,
            reply.seconds,
            prompt_cut=reply.prompt_cut,
            focus=reply.focus,
        )
    if reply.transient:
        return Transient(reply.reason, reply.message, field=reply.field)
    # A size that is too large says nothing about the engine.
    kind = Rejected if reply.reason is Reason.TOO_LARGE else Unpaintable
    return kind(reply.reason, reply.message, field=reply.field)
