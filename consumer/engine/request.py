"""Pictures that somebody waits for, as the worker's side of the engine keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.engine.protocol import Paint
from consumer.errors import Unpaintable
from consumer.jobs import Picture
from schemas import Reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from consumer.errors import LeadartError
    from consumer.jobs import Lane, Recipe

_POISON = (
    "Painting this picture ended the engine's process twice: report the dead letter, and do not redrive it on the same "
    "version."
)
_POISON_DEATHS = 2


def work_ahead(lane: Lane, in_hand: Iterable[PaintRequest]) -> tuple[int, int]:
    """Return the work in hand that a picture of the lane would wait for or share with, and all the work.

    A device's place in the queue for the next picture: the least comes first.
    """
    ahead = everything = 0
    for wish in in_hand:
        work = wish.work
        everything += work
        if wish.lane.rank <= lane.rank:
            ahead += work
    return ahead, everything


@dataclass(slots=True, eq=False)
class PaintRequest:
    """A picture somebody waits for, however many processes have tried it."""

    number: int
    recipe: Recipe
    lane: Lane
    on_step: Callable[[int, int], None]
    result: asyncio.Future[Picture]
    deaths: int = 0
    steps_done: int = 0

    @property
    def order(self) -> Paint:
        """What a process is told; a suspect is to be painted by itself."""
        return Paint(self.number, self.recipe, self.lane, alone=self.deaths > 0)

    @property
    def steps_left(self) -> int:
        """Denoising steps that it still has to take, as far as is known."""
        return self.recipe.steps - self.steps_done

    @property
    def work(self) -> int:
        """Pixels that are still to be denoised: pixels x steps left x passes of each step."""
        passes = 2 if self.recipe.guidance_scale > 0 else 1
        return self.recipe.width * self.recipe.height * max(1, self.steps_left) * passes

    def step(self, done: int, of: int) -> None:
        """Tell the waiter of a step; an error of its own is its own."""
        self.steps_done = done
        try:
            self.on_step(done, of)
        except Exception as error:  # noqa: BLE001 - a waiter's bug must not end the engine for the others
            if not self.result.done():
                self.result.set_exception(error)

    def settle(self, outcome: Picture | LeadartError) -> None:
        """End the waiting; the first outcome counts."""
        if self.result.done():
            return
        if isinstance(outcome, Picture):
            self.result.set_result(outcome)
        else:
            self.result.set_exception(outcome)

    def blame(self) -> None:
        """Count a death against the picture; the second one, on whatever device, ends the waiting."""
        self.deaths += 1
        if self.deaths == _POISON_DEATHS:
            self.settle(Unpaintable(Reason.ENGINE_POISON, _POISON))
