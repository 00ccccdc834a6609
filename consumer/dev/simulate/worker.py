"""One worker in virtual time: the real scheduler over simulated devices.

As in the worker, a limited number of records per topic is in flight, read in order: interactive and live saves share a
topic, and when the limit is reached the next save waits in Kafka whatever its lane.
"""

import asyncio
from contextlib import suppress
from itertools import count
from random import Random

from consumer.dev.simulate.scenario import Fleet, TrafficLoad
from consumer.dev.simulate.tally import SimulationTally
from consumer.engine.request import PaintRequest
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.processing.admission import Admission
from consumer.testing.clock import simulate
from consumer.testing.device import SimulatedDevice

_ALIKE = ModelIdentity("simulated", "0" * 64)


class _SimulatedWorker:
    """A simulated worker; `tally` is complete after `run`."""

    def __init__(self, fleet: Fleet, load: TrafficLoad, seed: str, begin: float, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._fleet = fleet
        self._load = load
        self._seconds = seconds
        self._scheduler = Admission(window=fleet.window * fleet.gpus, unstored=fleet.unstored)
        self._devices = [SimulatedDevice(fleet.pace, self._passed_over) for _ in range(fleet.gpus)]
        self._saves = load.saves(Random(seed), begin, begin + seconds)
        self._next_save = asyncio.Lock()
        self._backfill = load.backfill
        self._under_way: dict[int, tuple[Lane, float]] = {}
        self._numbers = count()
        self._recipe = Recipe("", "", _ALIKE, (), 512, 512, fleet.pace.steps, 0.0, 0, "default", 1)
        self.tally = SimulationTally(seconds=seconds, gpus=fleet.gpus)
        self.tally.lanes[Lane.BACKFILL].asked = load.backfill

    async def run(self) -> None:
        """Work until the time is over, or nothing is left and nothing will come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as slots:
                for _ in range(self._fleet.in_flight):
                    slots.create_task(self._take_saves())
                for _ in range(min(self._fleet.in_flight, self._load.backfill)):
                    slots.create_task(self._take_backfill())
        for device in self._devices:
            device.stop()
            self.tally.busy_seconds += device.busy_seconds
        self._count_the_rest()

    async def _take_saves(self) -> None:
        while True:
            async with self._next_save:
                save = next(self._saves, None)
                if save is None:
                    return
                asked, lane = save
                self.tally.lanes[lane].asked += 1
                await asyncio.sleep(asked - self._loop.time())
            await self._serve(lane, asked)

    async def _take_backfill(self) -> None:
        while self._backfill:
            self._backfill -= 1
            await self._serve(Lane.BACKFILL, 0.0)

    async def _serve(self, lane: Lane, asked: float) -> None:
        number = next(self._numbers)
        self._under_way[number] = lane, asked
        if self._load.pictures == 1:
            await self._paint(lane)
        else:
            async with asyncio.TaskGroup() as pictures:
                for _ in range(self._load.pictures):
                    pictures.create_task(self._paint(lane))
        del self._under_way[number]
        counted = self.tally.lanes[lane]
        counted.waits.append(max(0.0, self._loop.time() - asked - self._fleet.pace.seconds))
        if lane is Lane.BACKFILL and counted.done == counted.asked:
            self.tally.drained = self._loop.time()

    async def _paint(self, lane: Lane) -> None:
        async with self._scheduler.slot(lane) as slot:
            request = PaintRequest(next(self._numbers), self._recipe, lane, _unheard, self._loop.create_future())
            device = min(self._devices, key=lambda device: device.work_ahead(lane))
            device.take(request)
            try:
                await request.result
            finally:
                device.drop(request)
            slot.painted()
            self.tally.pictures += 1

    def _passed_over(self, lane: Lane, steps: int, seconds: float) -> None:
        self.tally.lanes[lane].passed_over(steps, seconds)

    def _count_the_rest(self) -> None:
        """Count what is not done: in flight, unread, and saves that would have been read had there been room."""
        now = self._loop.time()
        for asked, lane in self._saves:
            counted = self.tally.lanes[lane]
            counted.asked += 1
            counted.oldest = max(counted.oldest, now - asked)
        waiting = list(self._under_way.values()) + [(Lane.BACKFILL, 0.0)] * bool(self._backfill)
        for lane, asked in waiting:
            self.tally.lanes[lane].oldest = max(self.tally.lanes[lane].oldest, now - asked)


def _unheard(_done: int, _of: int) -> None:
    """Ignore the steps."""


def simulate_worker(fleet: Fleet, load: TrafficLoad, seed: str, begin: float, seconds: float) -> SimulationTally:
    """Simulate one worker with these GPUs from `begin` (seconds after midnight) for `seconds`."""

    async def main() -> SimulationTally:
        worker = _SimulatedWorker(fleet, load, seed, begin, seconds)
        await worker.run()
        return worker.tally

    return simulate(main())
