"""The line between a process and the cluster: where requests and answers take time, are held up, or get lost."""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Protocol

from consumer.delivery.ports import BusError
from consumer.errors import LeadartError

RETRY_SECONDS = 0.02
"""Before the client repeats, by itself, a request that came while the last transaction was still ending."""


class Busy(BusError):
    """The broker asks for a retry; the client does that by itself."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What one request meets: seconds under way, and what happens as it arrives and as its answer leaves.

    Both may raise `BusError`: the request is lost, or it was served and its answer is lost.
    """

    seconds: float
    arrive: Callable[[], None]
    leave: Callable[[], None]


class Network(Protocol):
    """Decides what requests meet."""

    journey: Callable[[str, str, str], Journey]
    """Return a request's journey, by its process, its step, and the step's name once only the answer can be lost."""


class Line:
    """One process's connections. Each request travels on its own: it arrives even if its sender is gone."""

    def __init__(self, network: Network, owner: str, seconds: float = 30.0) -> None:
        self.owner = owner
        self._network = network
        self._seconds = seconds
        self._dead = False
        self._held: list[Callable[[], object]] | None = None

    @property
    def up(self) -> bool:
        """True while requests come through."""
        return self._held is None and not self._dead

    @property
    def dead(self) -> bool:
        """True once its process died."""
        return self._dead

    def hold(self) -> None:
        """Hold up requests and answers until `release`."""
        self._held = self._held or []

    def release(self) -> None:
        """Let through what was held up."""
        held, self._held = self._held or [], None
        for step in held:
            step()

    def cut(self) -> None:
        """End it for good: its process died. What is under way still arrives, nothing more leaves."""
        self._dead = True

    def carry(self, step: Callable[[], object]) -> None:
        """Run `step` now, or when the line is released."""
        if self._held is None:
            step()
        else:
            self._held.append(step)

    async def ask(self, step: str, serve: Callable[[], Any], answered: str = "") -> Any:
        """Send a request and wait for its answer. Raises `BusError` when none comes in time."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self.post(step, serve, answered)
        except TimeoutError as error:
            raise BusError(f"no answer to {step} within {self._seconds} s") from error

    def post(self, step: str, serve: Callable[[], Any], answered: str = "") -> asyncio.Future[Any]:
        """Send a request; the future is its answer.

        `step` names it for the broker's faults when it arrives, `answered` once it was served and only the answer can
        still be lost. `serve` runs in the cluster; a future it returns is awaited there.
        """
        if self._dead:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            answer.set_exception(BusError("this process is dead"))
            answer.exception()
            return answer
        journey = self._network.journey(self.owner, step, answered or f"{step}_answered")
        return _Request(self, journey, serve).sent()


class _Request:
    """One request and its answer. It is served outside of the process that sent it."""

    def __init__(self, line: Line, journey: Journey, serve: Callable[[], Any]) -> None:
        self._line = line
        self._journey = journey
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._sender = copy_context()
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        # Not every answer is awaited once another record failed.
        self._answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    def sent(self) -> asyncio.Future[Any]:
        self._line.carry(lambda: self._loop.call_later(self._journey.seconds, self._arrive, context=Context()))
        return self._answer

    def _arrive(self) -> None:
        try:
            self._journey.arrive()
            served = self._serve()
        except Busy:
            # The client retries: not while it is frozen, and not once it is dead.
            self._loop.call_later(RETRY_SECONDS, self._send_again, context=self._sender)
        except (BusError, LeadartError) as error:
            self._answer_with(error, None)
        else:
            if isinstance(served, asyncio.Future):
                served.add_done_callback(self._served, context=Context())
            else:
                self._served(served)

    def _send_again(self) -> None:
        if not self._line.dead:
            self._line.carry(lambda: self._loop.call_soon(self._arrive, context=Context()))

    def _served(self, served: Any) -> None:
        try:
            result = served.result() if isinstance(served, asyncio.Future) else served
            self._journey.leave()
        except (BusError, LeadartError) as error:
            self._answer_with(error, None)
        else:
            self._answer_with(None, result)

    def _answer_with(self, error: Exception | None, result: Any) -> None:
        self._line.carry(lambda: self._loop.call_soon(self._receive, error, result, context=self._sender))

    def _receive(self, error: Exception | None, result: Any) -> None:
        if self._answer.done():
            return
        if error is not None:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(result)
