"""Pictures painted in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from consumer.dev.simulate.day.stages import SimulatedEngine
from consumer.dev.simulate.scenario import Fleet
from consumer.jobs import Lane, Recipe
from consumer.testing.clock import simulate
from consumer.testing.device import DevicePace


def recipe(engine: SimulatedEngine) -> Recipe:
    return Recipe("ferry", "", engine.paintable.model, (), 512, 512, 12, 2.0, 1, "default", 1)


def unheard(_done: int, _of: int) -> None:
    """Nobody hears of steps."""


def test_pictures_go_to_the_idle_device() -> None:
    """Two pictures on two devices take as long as one."""

    async def main() -> tuple[float, int, float]:
        engine = SimulatedEngine(Fleet(2, DevicePace(8.0)))
        paint = [engine.paint(recipe(engine), Lane.LIVE, unheard) for _ in range(2)]
        await asyncio.gather(*paint)
        return asyncio.get_running_loop().time(), engine.painted, engine.busy_seconds

    seconds, painted, busy = simulate(main())
    assert painted == 2
    assert (seconds, busy) == pytest.approx((8.0, 16.0))


def test_a_cancelled_picture_ends_at_the_next_step() -> None:
    """It is no whole picture; only the steps until then were for nothing."""

    async def main() -> tuple[int, float]:
        engine = SimulatedEngine(Fleet(1, DevicePace(12.0)))
        with suppress(TimeoutError):
            async with asyncio.timeout(2.5):
                await engine.paint(recipe(engine), Lane.LIVE, unheard)
        await asyncio.sleep(60.0 / 2)
        return engine.painted, engine.busy_seconds

    painted, busy = simulate(main())
    assert painted == 0
    assert busy == pytest.approx(3.0)
