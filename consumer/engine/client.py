"""The Z-Image engine as the worker sees it: one process per device behind one pool of pictures.

No torch here. A picture goes to the ready device with the least work ahead of it. When a process dies, its pictures go
to any device that is ready. Those that were being painted are suspects (`suspects`): they are painted alone, and one
that keeps ending processes that paint others is rejected as poison.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self

import structlog

from consumer.engine import protocol
from consumer.engine.compile_cache import cache_variables
from consumer.engine.device_worker import DeviceUnusable, DeviceWorker
from consumer.engine.devices import VISIBLE, EngineDevice, find_devices
from consumer.engine.request import PaintRequest
from consumer.engine.suspects import ProcessDeath, Suspects
from consumer.errors import Fatal, LeadartError, Transient
from consumer.jobs import Lane, Paintable, Picture, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

CHILD = (sys.executable, "-P", "-m", "consumer.engine.runtime.main")
"""Command line of the real engine process."""

_log = structlog.get_logger(__name__)
_ALLOCATOR = "PYTORCH_ALLOC_CONF"
_OLD_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"


class ZImageEngine:
    """Paints with Z-Image in a child process per device; implements `consumer.ports.Engine`.

    `command` starts a child. Leaving the context ends the children within about two seconds; callers still waiting for
    a picture then get `Transient`.
    """

    def __init__(self, settings: EngineSettings, *, command: Sequence[str] = CHILD) -> None:
        self._settings = settings
        self._command = command
        self._numbers = itertools.count(1)
        self._requests: dict[int, PaintRequest] = {}
        self._suspects = Suspects()
        self._workers: list[DeviceWorker] = []
        self._given_up: set[DeviceWorker] = set()
        self._loaded: protocol.Ready | None = None
        self._all_up = asyncio.Event()
        self._closed: LeadartError | None = Transient(Reason.ENGINE_FAILED, "The engine is not open.")
        self._session = self._run()

    @property
    def paintable(self) -> Paintable:
        """The model and adapters in use, the same on all devices; known once the context is entered."""
        if self._loaded is None:
            raise RuntimeError("The engine is not open")
        return Paintable(self._loaded.model, {adapter.name: adapter.sha256 for adapter in self._loaded.adapters})

    @property
    def devices(self) -> int:
        """Number of devices at the start, including those given up since."""
        return len(self._workers)

    @property
    def device_ready(self) -> Mapping[str, bool]:
        """Whether a process with a loaded model answers on each device, by the device's name."""
        return {worker.device.name: worker.ready for worker in self._workers}

    @property
    def ready(self) -> bool:
        """True while a process with a loaded model answers on at least one device."""
        return any(worker.ready for worker in self._workers)

    @property
    def restarts(self) -> int:
        """Number of process deaths on all devices since the context was entered."""
        return sum(worker.restarts for worker in self._workers)

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Paint one picture; see the port. Raises `Fatal` when the engine has given up."""
        if self._closed:
            raise self._closed
        result = asyncio.get_running_loop().create_future()
        suspicion = self._suspects.recall(recipe.digest)
        request = PaintRequest(next(self._numbers), recipe, lane, on_step, result, suspicion)
        self._requests[request.number] = request
        self._dispatch(request)
        try:
            return await request.result
        finally:
            del self._requests[request.number]
            self._suspects.drop(request)
            for worker in self._workers:
                worker.drop(request)
            self._give_up_waiting()

    async def __aenter__(self) -> Self:
        """Start a process on every device and load the model. Raises `Fatal` when one of them does not come up."""
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the processes. Raises the `Fatal` that ended the context early, if one did."""
        await self._session.__aexit__(*exc_info)  # type: ignore[arg-type]  # the same three, less precisely typed

    def worker_ready(self, worker: DeviceWorker, ready: protocol.Ready) -> None:
        """Start dispatching to the worker; part of `DevicePool`. Raises Fatal if its model differs from the others'."""
        if self._loaded and (ready.model, ready.adapters) != (self._loaded.model, self._loaded.adapters):
            message = f"The model in {self._settings.model} on {worker.device.name} differs from the one loaded before"
            raise Fatal(Reason.MODEL_UNAVAILABLE, f"{message}: its folder changed. Restart the worker.")
        self._loaded = ready
        for request in self._requests.values():
            if not any(other.has(request) for other in self._workers) and not self._suspects.is_aside(request):
                self._dispatch(request)
        if all(other.ready for other in self._workers):
            self._all_up.set()

    def worker_died(self, orphans: Sequence[PaintRequest], suspects: Collection[int], death: ProcessDeath) -> None:
        """Dispatch a dead process's pictures to ready devices, else to the next that is; part of `DevicePool`."""
        for request in orphans:
            if request.number in suspects:
                self._suspects.judge(request, death)
            if not self._suspects.is_aside(request):
                self._dispatch(request)
        self._give_up_waiting()

    def painted(self, worker: DeviceWorker, request: PaintRequest | None) -> None:
        """Have the device try the pictures that waited for it to paint another; part of `DevicePool`."""
        for waited in self._suspects.painted(request):
            worker.take(waited)

    def can_spare(self, worker: DeviceWorker) -> bool:
        """Return whether another device is ready; part of `DevicePool`."""
        return any(other.ready for other in self._workers if other is not worker)

    def _give_up_waiting(self) -> None:
        if all(self._suspects.is_aside(request) for request in self._requests.values() if not request.result.done()):
            self._suspects.give_up_waiting()

    def _dispatch(self, request: PaintRequest) -> None:
        ready = [worker for worker in self._workers if worker.ready]
        if ready and not request.result.done():
            min(ready, key=lambda worker: worker.work_ahead(request.lane)).take(request)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        body_error = None
        try:
            async with asyncio.TaskGroup() as tasks:
                workers = tasks.create_task(self._run_workers(), name="engine-workers")
                await self._all_up.wait()
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - carried past the group, which would wrap it
                    body_error = error
                workers.cancel()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        if body_error:
            raise body_error

    async def _run_workers(self) -> None:
        """Keep a process on each device until cancelled, then resolve the requests that are left."""
        self._closed = None
        ended: LeadartError = Transient(Reason.ENGINE_FAILED, "The engine was closed before the picture was painted.")
        try:
            self._workers = await self._create_workers()
            async with asyncio.TaskGroup() as tasks:
                for worker in self._workers:
                    tasks.create_task(self._run_worker(worker), name=f"engine-{worker.device.name}")
        except* Fatal as group:
            ended = _first(group)
            raise ended from None
        finally:
            self._closed = ended
            for request in self._requests.values():
                request.resolve(ended)

    async def _create_workers(self) -> list[DeviceWorker]:
        settings = self._settings
        if settings.model is None:
            message = "LEADART_ENGINE__MODEL is not set: it names the folder of a Z-Image pipeline."
            raise Fatal(Reason.MISCONFIGURED, message)
        devices = await find_devices(settings.devices, os.environ)
        return [
            DeviceWorker(device, settings, self._command, child_environment(settings, device, os.environ))
            for device in devices
        ]

    async def _run_worker(self, worker: DeviceWorker) -> None:
        """Run the worker until its device is given up. Raises Fatal then at the start, and for the last device."""
        try:
            await worker.run(self)
        except DeviceUnusable as error:
            message = f"Device {worker.device.name}: {error.message}"
            self._given_up.add(worker)
            left = [other.device.name for other in self._workers if other not in self._given_up]
            if not self._all_up.is_set() or not left:
                raise Fatal(error.reason, message) from None
            _log.error("engine_device_given_up", device=worker.device.name, error=error.message, left=left)


def _innermost(error: BaseException) -> BaseException:
    """Return the error without the groups around it, as long as each holds just one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _first(group: BaseExceptionGroup[Fatal]) -> Fatal:
    """Return one error of several: what ends one device at the start may end another at the same moment."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Fatal)  # noqa: S101 - the group holds nothing else
    return error


def child_environment(settings: EngineSettings, device: EngineDevice, ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without secrets of the bus and the store, with allocator, caches and GPU configured."""
    kept = {name: value for name, value in ours.items() if not name.upper().startswith(("LEADART_", "AWS_"))}
    environment = {**_with_allocator(settings, kept), "HF_HUB_OFFLINE": "1"}
    environment |= cache_variables(settings.compile_cache, kept)
    if device.visible is not None:
        environment[VISIBLE] = device.visible
    return environment


def _with_allocator(settings: EngineSettings, environment: dict[str, str]) -> dict[str, str]:
    """Configure the CUDA allocator: our setting takes precedence over the operator's variables, those over the default.

    torch reads the old name first (c10/cuda/CUDAAllocatorConfig.h): if both are set, it ignores the new one.
    """
    named = {_ALLOCATOR, _OLD_ALLOCATOR}
    if settings.max_split_size_mb is not None:
        # Never with expandable segments: the combination failed when memory was nearly full (PyTorch 134338).
        others = {name: value for name, value in environment.items() if name not in named}
        return {**others, _ALLOCATOR: f"max_split_size_mb:{settings.max_split_size_mb}"}
    if named & environment.keys():
        return environment
    # Expandable segments keep pictures of many sizes from fragmenting the memory.
    return {**environment, _ALLOCATOR: "expandable_segments:True"}
