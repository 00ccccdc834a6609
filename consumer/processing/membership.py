"""Whether this worker belongs in the consumer group: it joins once it can work, and leaves when only others can.

A worker that cannot work starves its partitions. Where nobody can, as while everybody's store is away, all stay and
hold what they have: moving partitions would help no request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from consumer.delivery.ports import BusError
from consumer.processing.ability import Ability
from schemas import Reason

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3.0
"""Between two looks at ourselves and at the others."""

STEADY_LOOKS = 2
"""Looks in a row that find the worker able before that counts: an engine that dies again and again is, for moments."""

MAX_REST_SECONDS = 600.0
"""Longest stay outside, and shortest stay inside after which the next one outside is short again."""


class Peers(Protocol):
    """The group's other workers, as the group and the committed offsets show them. Both raise `BusError`."""

    async def any_in_trouble(self) -> bool:
        """Return whether one of them has committed that it cannot work."""

    async def any_can_work(self, *, member: bool) -> bool:
        """Return whether one of them can work. `member`: this worker is in the group itself."""


@dataclass(frozen=True, slots=True)
class MembershipTiming:
    """How long a worker that cannot work stays, in seconds.

    `leave` after that long, an engine that is being replaced gets `engine` more; outside it rests for `rest` at least,
    twice as long each time, as long as others can work.
    """

    leave: float
    engine: float = 0.0
    rest: float = 15.0
    look: float = LOOK_SECONDS


class Membership:
    """Decides whether the worker is `wanted` in the group, while `run` runs.

    `check` returns once the store works. Without `peers` the worker joins and never leaves.
    """

    def __init__(
        self, ability: Ability, check: Callable[[], Awaitable[None]], peers: Peers | None, timing: MembershipTiming
    ) -> None:
        self._ability = ability
        self._check = check
        self._peers = peers
        self._timing = timing
        self._rest = 0.0
        self._doubted, self._checked = asyncio.Event(), asyncio.Event()
        self.wanted = False

    def __call__(self) -> str | None:
        """Return why the worker is not wanted in the group, None while it is: a readiness check."""
        if self.wanted:
            return None
        if self._rest:
            return "left the consumer group, because others can work; joins it again once this worker can"
        return "joins the consumer group once this worker can work"

    async def run(self) -> None:
        """Decide until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_when_doubted())
            clock = asyncio.get_running_loop().time
            while True:
                await self._until_able(clock() + self._rest)
                log.info("joining_group")
                self._ability.probe_soon()
                self.wanted, joined = True, clock()
                await self._until_unable()
                log.warning("leaving_group", reason=self._ability.reason, error=self._ability())
                longer = 0.0 if clock() - joined > MAX_REST_SECONDS else 2 * self._rest
                self._rest = min(max(self._timing.rest, longer), MAX_REST_SECONDS)
                self.wanted = False

    async def _check_when_doubted(self) -> None:
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            await self._check()
            self._checked.set()

    async def _until_able(self, rested_at: float) -> None:
        """Wait until the store is checked and the engine ready; while others work, not before `rested_at`."""
        while True:
            self._checked.clear()
            self._doubted.set()
            await self._checked.wait()
            rested = asyncio.get_running_loop().time() >= rested_at
            if self._ability.may_try and (rested or not await self._others_can_work(member=False)):
                return
            await asyncio.sleep(self._timing.look)

    async def _until_unable(self) -> None:
        """Wait until the worker could not work for too long while another one could.

        When an outage of all ends, some notice it seconds later than others: that is no reason to leave.
        """
        since, steady = None, 0
        while True:
            await asyncio.sleep(self._timing.look)
            now = asyncio.get_running_loop().time()
            if self._ability() is None:
                steady += 1
                since = since if steady < STEADY_LOOKS else None
                if await self._others_in_trouble():
                    self._doubted.set()  # it may be ours as well: without a request nothing else would tell
                continue
            steady = 0
            if not await self._others_can_work(member=True):
                since = None
                continue
            since = now if since is None else since
            if now - since >= self._bound:
                return

    @property
    def _bound(self) -> float:
        engine = self._timing.engine if self._ability.reason == Reason.ENGINE_FAILED else 0.0
        return self._timing.leave + engine

    async def _others_in_trouble(self) -> bool:
        try:
            return self._peers is not None and await self._peers.any_in_trouble()
        except BusError:
            return False

    async def _others_can_work(self, *, member: bool) -> bool:
        """Return whether another worker certainly can: nothing is given up, or waited for, on a guess."""
        try:
            return self._peers is not None and await self._peers.any_can_work(member=member)
        except BusError:
            return False
