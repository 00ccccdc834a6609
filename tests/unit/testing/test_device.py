"""The simulated device: painting at its pace in virtual time, step by step as the engine chooses."""

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
    """Takes one step at a time and chooses anew after each."""

    def _begin(self) -> None:
        super()._begin()
        assert self._run is not None
        self._cut(self._run)


def painted(kind: type[SimulatedDevice], arrivals: list[tuple[float, Lane]], dropped: int | None = None) -> list[float]:
    """Return when each picture was painted, 0 for the one that is dropped half a second after its arrival."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        device = kind(PACE, lambda _lane, _steps, _seconds: None)
        ended = [0.0] * len(arrivals)

        async def paint(number: int, arrival: float, lane: Lane) -> None:
            await asyncio.sleep(arrival)
            request = PaintRequest(number, RECIPE, lane, lambda _done, _of: None, loop.create_future())
            device.take(request)
            if number == dropped:
                await asyncio.sleep(0.45035)
                device.drop(request)
            else:
                await request.result
                ended[number] = loop.time()

        async with asyncio.TaskGroup() as pictures:
            for number, (arrival, lane) in enumerate(arrivals):
                pictures.create_task(paint(number, arrival, lane))
        device.stop()
        assert device.busy_seconds <= loop.time() + 1e-6
        return ended

    return simulate(main())


def test_a_picture_alone_takes_its_seconds_and_full_steps_speed_up() -> None:
    """Alone it takes the seconds of its pace; three together take three times as long, divided by the speed-up."""
    assert painted(SimulatedDevice, [(0.0, Lane.LIVE)]) == pytest.approx([1.2])
    assert PACE.step_seconds(3) * PACE.steps == pytest.approx(3 * 1.2 / 1.5)
    assert DevicePace(1.0, steps=4, batch=8).step_seconds(8) == pytest.approx(2.0)


ARRIVALS = st.lists(st.tuples(st.integers(0, 80), st.sampled_from(list(Lane))), min_size=1, max_size=14).map(
    lambda drawn: [(tenth / 10 + at * 0.0007, lane) for at, (tenth, lane) in enumerate(drawn)]
)
"""No arrival falls on the end of a step, where the order would be left to chance."""


@given(ARRIVALS, st.none() | st.integers(0, 13))
def test_a_run_of_steps_equals_single_steps(arrivals: list[tuple[float, Lane]], dropped: int | None) -> None:
    """A picture that arrives or is dropped within a run does so at the same step as without runs."""
    assert painted(SimulatedDevice, arrivals, dropped) == pytest.approx(
        painted(StepByStep, arrivals, dropped), abs=1e-6
    )
