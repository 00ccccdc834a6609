"""Pictures that callers of the engine wait for, as tracked on the worker's side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from consumer.engine.protocol import Paint
from consumer.errors import LeadartError
from consumer.jobs import Lane, Picture, Recipe


@dataclass(slots=True)
class Suspicion:
    """What is known of a recipe: `deaths` of processes that painted it, the first at monotonic time `since`.

    `alone`: paint it without company.
    """

    deaths: int = 0
    since: float = 0.0
    alone: bool = False


def work_ahead(lane: Lane, in_flight: Iterable[PaintRequest]) -> tuple[int, int]:
    """Return a device's work that a picture of the lane would wait for or share steps with, and all its work.

    The next picture goes to the device with the smallest such pair.
    """
    ahead = total = 0
    for request in in_flight:
        work = request.work
        total += work
        if request.lane.rank <= lane.rank:
            ahead += work
    return ahead, total


@dataclass(slots=True, eq=False)
class PaintRequest:
    """A picture that a caller waits for, however many processes have tried to paint it."""

    number: int
    recipe: Recipe
    lane: Lane
    on_step: Callable[[int, int], None]
    result: asyncio.Future[Picture]
    suspicion: Suspicion = field(default_factory=Suspicion)
    steps_done: int = 0

    @property
    def command(self) -> Paint:
        """The message to a process; a suspect is painted alone."""
        return Paint(self.number, self.recipe, self.lane, alone=self.suspicion.alone)

    @property
    def steps_left(self) -> int:
        """Denoising steps left, as far as reported."""
        return self.recipe.steps - self.steps_done

    @property
    def work(self) -> int:
        """Pixels left to denoise: pixels x steps left x passes per step."""
        passes = 2 if self.recipe.guidance_scale > 0 else 1
        return self.recipe.width * self.recipe.height * max(1, self.steps_left) * passes

    def report_step(self, done: int, of: int) -> None:
        """Report a step to the caller; an exception of its callback becomes its result."""
        self.steps_done = done
        try:
            self.on_step(done, of)
        except Exception as error:  # noqa: BLE001 - a caller's bug must not end the engine for the others
            if not self.result.done():
                self.result.set_exception(error)

    def resolve(self, outcome: Picture | LeadartError) -> None:
        """Set the result; the first outcome counts."""
        if self.result.done():
            return
        if isinstance(outcome, Picture):
            self.result.set_result(outcome)
        else:
            self.result.set_exception(outcome)
