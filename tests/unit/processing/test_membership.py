"""When a worker is in the group, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from consumer.delivery.ports import BusError
from consumer.errors import Overloaded
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.membership import LOOK_SECONDS, MAX_REST_SECONDS, Membership, MembershipTiming
from consumer.processing.store_outage import MAX_WAIT_SECONDS, Operation, StoreOutage
from consumer.testing.clock import simulate
from schemas import Reason

DOWN = Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached")
TIMING = MembershipTiming(leave=35.0, engine=100.0, rest=15.0)
NOTICED = LOOK_SECONDS + MAX_WAIT_SECONDS
"""After this long the worker has noticed what changed."""


class World:
    """A worker, its store and engine, and what the others show."""

    def __init__(self, *, peers: bool = True) -> None:
        self.store_works = self.engine_works = self.others_can = True
        self.trouble = self.unknown = False
        self.asked_as_member: list[bool] = []
        self.checks = 0
        self.outage, self.breaker = StoreOutage(), CircuitBreaker()
        ability = Ability(lambda: self.engine_works, self.outage, self.breaker)
        self.membership = Membership(ability, self.check, self if peers else None, TIMING)

    async def check(self) -> None:
        await self.outage.retry_until_up(Operation.CHECK, self.prepare)

    async def prepare(self) -> None:
        self.checks += 1
        if not self.store_works:
            raise DOWN

    async def any_in_trouble(self) -> bool:
        if self.unknown:
            raise BusError("no answer")
        return self.trouble

    async def any_can_work(self, *, member: bool) -> bool:
        self.asked_as_member.append(member)
        if self.unknown:
            raise BusError("no answer")
        return self.others_can

    def fails(self) -> None:
        """Have a request notice that the store is down; it waits for it."""
        self.store_works = False
        self.outage.begin(Operation.KEEP, DOWN)

    def works_again(self) -> None:
        self.store_works = True
        self.outage.end(Operation.KEEP)

    async def becomes(self, *, wanted: bool) -> float:
        """Return the seconds until the worker is wanted in the group, or not."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(7200):
            while self.membership.wanted is not wanted:
                await asyncio.sleep(0.5)
        return loop.time() - begun

    async def stays(self, seconds: float = 3600.0, *, wanted: bool) -> bool:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.5)
            if self.membership.wanted is not wanted:
                return False
        return True


def live(story: Callable[[World], Awaitable[None]], *, peers: bool = True) -> None:
    """Play a story beside a worker's membership."""

    async def play() -> None:
        world = World(peers=peers)
        running = asyncio.create_task(world.membership.run())
        await story(world)
        running.cancel()
        await asyncio.wait([running])

    simulate(play())


def test_it_joins_at_once_when_all_is_well() -> None:
    """The check of the store is all that it waits for."""

    async def story(world: World) -> None:
        assert world.membership() == "joins the consumer group once this worker can work"
        assert await world.becomes(wanted=True) <= 0.5
        assert world.membership() is None
        assert await world.stays(wanted=True)
        assert world.checks == 1

    live(story)


def test_a_store_that_refuses_keeps_it_out_until_it_works() -> None:
    """Wrong keys or a missing bucket cost the others nothing, and the check repeats itself."""

    async def story(world: World) -> None:
        world.store_works = False
        assert await world.stays(wanted=False)
        world.store_works = True
        assert await world.becomes(wanted=True) <= NOTICED

    live(story)


def test_an_engine_that_is_not_ready_keeps_it_out() -> None:
    """A store that works is not enough."""

    async def story(world: World) -> None:
        world.engine_works = False
        assert await world.stays(wanted=False)
        world.engine_works = True
        assert await world.becomes(wanted=True) <= NOTICED

    live(story)


def test_it_leaves_when_only_others_can_work_and_comes_back() -> None:
    """A worker that cannot work gives its partitions up after the bound, not before, and comes back when it can."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.fails()
        assert TIMING.leave <= await world.becomes(wanted=False) <= TIMING.leave + 2 * LOOK_SECONDS
        assert world.membership() is not None
        world.works_again()
        assert await world.becomes(wanted=True) <= TIMING.rest + NOTICED

    live(story)


def test_when_nobody_can_work_it_holds() -> None:
    """With everybody's store away, or others that are not known, no partition moves however long it lasts."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.fails()
        world.others_can = False
        assert await world.stays(wanted=True)
        world.others_can, world.unknown = True, True
        assert await world.stays(wanted=True)
        world.unknown = False
        assert TIMING.leave <= await world.becomes(wanted=False) <= TIMING.leave + 2 * LOOK_SECONDS
        assert world.asked_as_member[0] is True

    live(story)


def test_one_that_notices_late_that_an_outage_of_all_is_over_stays() -> None:
    """Others work again for half a minute before it does: it has held its partitions, and goes on holding them."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.fails()
        world.others_can = False
        assert await world.stays(wanted=True)
        world.others_can = True
        assert await world.stays(TIMING.leave - 10, wanted=True)
        world.works_again()
        assert await world.stays(wanted=True)

    live(story)


def test_a_worker_alone_never_leaves() -> None:
    """Without a group to ask, leaving would help nobody."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.fails()
        assert await world.stays(wanted=True)

    live(story, peers=False)


def test_short_failures_move_nothing() -> None:
    """A store that is away for less than the bound, again and again, is waited for."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        for _ in range(20):
            world.fails()
            assert await world.stays(TIMING.leave - 10, wanted=True)
            world.works_again()
            assert await world.stays(3 * LOOK_SECONDS, wanted=True)

    live(story)


def test_an_engine_that_dies_again_and_again_counts_as_gone() -> None:
    """Moments in which a new process is ready do not begin the wait anew; an engine gets time to load once more."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        flapping = asyncio.create_task(flap(world))
        assert TIMING.leave + TIMING.engine <= await world.becomes(wanted=False) <= TIMING.leave + TIMING.engine + 15
        flapping.cancel()

    async def flap(world: World) -> None:
        while True:
            world.engine_works = False
            await asyncio.sleep(3 * LOOK_SECONDS)
            world.engine_works = True
            await asyncio.sleep(LOOK_SECONDS * 0.9)

    live(story)


def test_another_workers_trouble_makes_it_look_at_its_own_store() -> None:
    """An idle worker notices an outage that is everybody's without a request, and so commits it in time."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.store_works, world.trouble = False, True
        await asyncio.sleep(NOTICED)
        assert world.outage.reason == "store_unavailable"
        world.store_works, world.trouble = True, False
        await asyncio.sleep(NOTICED)
        assert world.outage.reason == ""
        assert world.membership.wanted

    live(story)


def test_the_rests_outside_get_longer_while_others_work() -> None:
    """A check that passes while requests fail moves partitions ever more rarely; with nobody else it joins at once."""

    async def story(world: World) -> None:
        rests = []
        for _ in range(8):
            await world.becomes(wanted=True)
            world.outage.begin(Operation.KEEP, DOWN)
            await world.becomes(wanted=False)
            world.outage.end(Operation.KEEP)
            rests.append(await world.becomes(wanted=True))
        assert rests == sorted(rests)
        assert MAX_REST_SECONDS <= rests[-1] <= MAX_REST_SECONDS + NOTICED
        world.outage.begin(Operation.KEEP, DOWN)
        await world.becomes(wanted=False)
        world.outage.end(Operation.KEEP)
        world.others_can = False
        assert await world.becomes(wanted=True) <= NOTICED

    live(story)


def test_an_open_breaker_is_tried_again_after_the_rest() -> None:
    """Only a request shows whether painting works again: it joins with the breaker open, which probes soon."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        for _ in range(IN_A_ROW):
            world.breaker.failed(BreakerPermit(), Reason.NOT_FINITE)
        await world.becomes(wanted=False)
        assert TIMING.rest <= await world.becomes(wanted=True) <= TIMING.rest + NOTICED
        permit = BreakerPermit()
        await asyncio.wait_for(world.breaker.passage(permit), 6.0)
        world.breaker.succeeded(permit)
        assert await world.stays(wanted=True)

    live(story)


def test_a_refusal_that_no_probe_confirms_moves_nobody() -> None:
    """One object in trouble, or a full disk, is the same for every worker: the shard shows it, and stays."""

    async def story(world: World) -> None:
        await world.becomes(wanted=True)
        world.outage.begin(Operation.KEEP, DOWN)
        world.outage._failing.clear()
        assert world.outage.reason == "store_unavailable"
        assert await world.stays(wanted=True)

    live(story)
