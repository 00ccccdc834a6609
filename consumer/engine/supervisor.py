"""The Z-Image engine as the worker sees it: a child process that paints, watched and replaced when it dies.

No torch here. What is in hand when a child dies goes to the next one. A picture that was being painted is then painted
by itself; if that ends a second process, the picture is refused as poison and everything else goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

from consumer.engine.process import started
from consumer.engine.protocol import Drop, Failed, Open, Paint, Painted, Ready, Refused, Running, Step
from consumer.errors import Fatal, LeadartError, Rejected, Transient
from consumer.jobs import Picture
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from consumer.engine.process import Child
    from consumer.engine.protocol import Reply
    from consumer.jobs import Lane, ModelIdentity, Recipe
    from consumer.settings import EngineSettings

CHILD = (sys.executable, "-m", "consumer.engine.child")
"""The command of the real engine process."""

_BEAT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.25
_IDLE_DEATHS = 3
_DEATHS_IN_A_ROW = 10
_POISON_DEATHS = 2

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Wish:
    """A picture somebody waits for."""

    number: int
    recipe: Recipe
    lane: Lane
    on_step: Callable[[int, int], None]
    result: asyncio.Future[Picture]
    deaths: int = 0


class ZImageEngine:
    """Paints with Z-Image in a child process; implements `consumer.ports.Engine`.

    `command` starts the child. Leaving the context ends the child within about two seconds; whoever still waits for a
    picture then gets `Transient`.
    """

    def __init__(self, settings: EngineSettings, *, command: Sequence[str] = CHILD) -> None:
        self._settings = settings
        self._command = command
        self._numbers = itertools.count(1)
        self._wishes: dict[int, _Wish] = {}
        self._running: tuple[int, ...] = ()
        self._child: Child | None = None
        self._model: ModelIdentity | None = None
        self._loaded = asyncio.Event()
        self._closed: LeadartError | None = Transient(Reason.ENGINE_FAILED, "The engine is not open.")
        self._deaths_in_a_row = 0
        self._deaths = 0
        self._session = self._run()

    @property
    def model(self) -> ModelIdentity:
        """The weights in use; known once the context is entered."""
        if self._model is None:
            raise RuntimeError("The engine is not open")
        return self._model

    @property
    def adapters(self) -> Mapping[str, str]:
        """The LoRAs that the child has loaded: none yet."""
        return {}

    @property
    def ready(self) -> bool:
        """True while a child with a loaded model answers; False between a child's death and the next one."""
        return self._child is not None

    @property
    def restarts(self) -> int:
        """How often the child died since the context was entered."""
        return self._deaths

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Paint one picture; see the port. Raises `Fatal` when the engine has given up."""
        if self._closed:
            raise self._closed
        wish = _Wish(next(self._numbers), recipe, lane, on_step, asyncio.get_running_loop().create_future())
        self._wishes[wish.number] = wish
        self._hand_over(wish)
        try:
            return await wish.result
        finally:
            del self._wishes[wish.number]
            if self._child and wish.result.cancelled():
                self._child.send(Drop(wish.number))

    async def __aenter__(self) -> Self:
        """Start the child and load the model. Raises `Fatal` when that fails, or dies three times over."""
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the child. Raises the `Fatal` that ended the context early, if one did."""
        await self._session.__aexit__(*exc_info)  # type: ignore[arg-type]  # the same three, less precisely typed

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        body_error = None
        try:
            async with asyncio.TaskGroup() as tasks:
                keeper = tasks.create_task(self._keep_a_child(), name="engine-keeper")
                await self._loaded.wait()
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - carried past the group, which would wrap it
                    body_error = error
                keeper.cancel()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        if body_error:
            raise body_error

    async def _keep_a_child(self) -> None:
        """Have a child until cancelled, and leave nobody waiting for a picture after that."""
        self._closed = None
        ended: LeadartError = Transient(Reason.ENGINE_FAILED, "The engine was closed before the picture was painted.")
        try:
            await self._replace_children()
        except Fatal as error:
            ended = error
            raise
        finally:
            self._closed = ended
            for wish in self._wishes.values():
                _settle(wish, ended)

    async def _replace_children(self) -> None:
        """Start a child, and another one whenever it ends. Raises Fatal when there is no use in it."""
        idle_deaths = 0
        while True:
            how = await self._one_child()
            self._deaths += 1
            self._deaths_in_a_row += 1
            idle_deaths = 0 if self._blame() else idle_deaths + 1
            _log.warning("engine_died", how=how, pictures=len(self._wishes), in_a_row=self._deaths_in_a_row)
            if idle_deaths == _IDLE_DEATHS or self._deaths_in_a_row == _DEATHS_IN_A_ROW:
                raise Fatal(Reason.ENGINE_FAILED, f"The engine's process keeps dying; the last one: {how}.")
            await asyncio.sleep(_BACKOFF_SECONDS * 2**idle_deaths)

    async def _one_child(self) -> str:
        """Run one child from start to end; return how it ended."""
        silent = False
        try:
            async with started(self._command) as child:
                child.send(self._opening())
                model = await self._load(child)
                if model:
                    silent = await self._serve(child, model)
        except OSError as error:
            return f"it could not be started ({error})"
        if silent:
            return f"silent for {self._settings.step_timeout_seconds:g} s, so killed"
        return child.obituary

    def _opening(self) -> Open:
        settings = self._settings
        if settings.model is None:
            raise Fatal(
                Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set: it names the folder of a Z-Image pipeline."
            )
        beat = min(_BEAT_SECONDS, settings.step_timeout_seconds / 4)
        return Open(settings, settings.devices, beat)

    async def _load(self, child: Child) -> ModelIdentity | None:
        """Wait for the model; None when the child died over it."""
        limit = self._settings.load_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                reply = await child.reply()
        except TimeoutError:
            child.kill()
            message = f"The model was not loaded within {limit:g} s (LEADART_ENGINE__LOAD_TIMEOUT_SECONDS)."
            raise Fatal(Reason.MODEL_UNAVAILABLE, message) from None
        if isinstance(reply, Refused):
            raise Fatal(reply.reason, reply.message)
        if not isinstance(reply, Ready):
            return None
        if self._model and reply.model != self._model:
            message = f"The model's folder changed while the worker ran: {self._settings.model}. Start it again."
            raise Fatal(Reason.MODEL_UNAVAILABLE, message)
        return reply.model

    async def _serve(self, child: Child, model: ModelIdentity) -> bool:
        """Hand the child what is in hand and route its replies until it ends; return True if it fell silent."""
        self._model, self._child = model, child
        self._loaded.set()
        _log.info("engine_ready", model=model.name, sha256=model.sha256, pid=child.pid)
        for wish in self._wishes.values():
            self._hand_over(wish)
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(child), name="engine-replies")
                silence = tasks.create_task(child.silence(self._settings.step_timeout_seconds), name="engine-watch")
                done, waiting = await asyncio.wait({listening, silence}, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
        finally:
            self._child = None
        if silence in done:
            child.kill()
        return silence in done

    async def _listen(self, child: Child) -> None:
        while (reply := await child.reply()) is not None:
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        match reply:
            case Running(numbers):
                self._running = numbers
            case Step(number, done, of):
                if wish := self._wishes.get(number):
                    _report(wish, done, of)
            case Painted(number) | Failed(number):
                if isinstance(reply, Painted):
                    self._deaths_in_a_row = 0
                if wish := self._wishes.get(number):
                    _settle(wish, _outcome(wish, reply))

    def _hand_over(self, wish: _Wish) -> None:
        if self._child:
            self._child.send(Paint(wish.number, wish.recipe, wish.lane, alone=wish.deaths > 0))

    def _blame(self) -> bool:
        """Count the death against the pictures that were being painted; return whether there were any."""
        suspects, self._running = self._running, ()
        for wish in [wish for wish in self._wishes.values() if wish.number in suspects]:
            wish.deaths += 1
            if wish.deaths == _POISON_DEATHS:
                _settle(wish, Rejected(Reason.ENGINE_POISON, "Painting this picture ended the engine's process twice."))
        return bool(suspects)


def _outcome(wish: _Wish, reply: Painted | Failed) -> Picture | LeadartError:
    if isinstance(reply, Painted):
        return Picture(wish.recipe, reply.width, reply.height, reply.rgb, reply.seconds, prompt_cut=reply.prompt_cut)
    kind = Transient if reply.transient else Rejected
    return kind(reply.reason, reply.message)


def _settle(wish: _Wish, outcome: Picture | LeadartError) -> None:
    if wish.result.done():
        return
    if isinstance(outcome, Picture):
        wish.result.set_result(outcome)
    else:
        wish.result.set_exception(outcome)


def _report(wish: _Wish, done: int, of: int) -> None:
    """Tell the waiter of a step; an error of its own is its own."""
    try:
        wish.on_step(done, of)
    except Exception as error:  # noqa: BLE001 - a waiter's bug must not end the engine for the others
        if not wish.result.done():
            wish.result.set_exception(error)


def _innermost(error: BaseException) -> BaseException:
    """Return what went wrong, without the groups around it when it is one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
