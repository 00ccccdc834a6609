"""The device that paints in virtual time: as fast as it is told, and step by step as the engine chooses."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.request import PaintRequest
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.testing.clock import simulate
from consumer.testing.device import DevicePace, SimulatedDevice

PACE = DevicePace(1.2, steps=6, batch=3, speedup=1.5)
RECIPE = Recipe("", "", ModelIdentity("twin", "0" * 64), (), 512, 512, PACE.steps, 0.0, 0, "default", 1)


class StepByStep(SimulatedDevice):
    """Never takes more than one step without choosing anew."""

    def _begin(self) -> None:
        super()._begin()
        assert self._stretch is not None
        self._cut(self._stretch)


def painted(kind: type[SimulatedDevice], arrivals: list[tuple[float, Lane]], dropped: int | None = None) -> list[float]:
    """Return when each picture was painted, 0 for the one that is dropped half a second after it came."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        device = kind(PACE, lambda _lane, _steps, _seconds: None)
        ended = [0.0] * len(arrivals)

        async def paint(number: int, come: float, lane: Lane) -> None:
            await asyncio.sleep(come)
            wish = PaintRequest(number, RECIPE, lane, lambda _done, _of: None, loop.create_future())
            device.take(wish)
            if number == dropped:
                await asyncio.sleep(0.45035)
                device.drop(wish)
            else:
                await wish.result
                ended[number] = loop.time()

        async with asyncio.TaskGroup() as pictures:
            for number, (come, lane) in enumerate(arrivals):
                pictures.create_task(paint(number, come, lane))
        device.stop()
        assert device.busy_seconds <= loop.time() + 1e-6
        return ended

    return simulate(main())


def test_a_picture_alone_takes_its_seconds_and_full_steps_speed_up() -> None:
    """Alone it takes what the pace says; three together take three times as long, over the speed-up."""
    assert painted(SimulatedDevice, [(0.0, Lane.LIVE)]) == pytest.approx([1.2])
    assert PACE.step_seconds(3) * PACE.steps == pytest.approx(3 * 1.2 / 1.5)
    assert DevicePace(1.0, steps=4, batch=8).step_seconds(8) == pytest.approx(2.0)


ARRIVALS = st.lists(st.tuples(st.integers(0, 80), st.sampled_from(list(Lane))), min_size=1, max_size=14).map(
    lambda drawn: [(tenth / 10 + at * 0.0007, lane) for at, (tenth, lane) in enumerate(drawn)]
)
"""Nobody comes just when a step ends: who is first then is chance."""


@given(ARRIVALS, st.none() | st.integers(0, 13))
def test_a_stretch_of_steps_is_the_same_as_single_ones(arrivals: list[tuple[float, Lane]], dropped: int | None) -> None:
    """Whoever comes or goes in the middle of a stretch does so at the step at which it would have without."""
    assert painted(SimulatedDevice, arrivals, dropped) == pytest.approx(
        painted(StepByStep, arrivals, dropped), abs=1e-6
    )
