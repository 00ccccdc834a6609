"""Who takes part, and about how long each will take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consumer.dev.bench.engine.corpus import BenchRequest, pictures
from consumer.dev.bench.engine.flops import FlopCounter
from consumer.dev.bench.engine.painters import Painter, can_share_a_call
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import Workload
from consumer.dev.bench.engine.timing import Measurement, measured
from consumer.engine.runtime.model import Model
from consumer.jobs import Recipe

_FIRST_GUESS = 0.1
"""Share of the device's peak that a side reaches, as long as it has not painted."""

_MARGIN = 1.25
"""How much longer a turn may take than the last one says."""

_WARM_UP_STEPS = 2


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the sides paint in a turn; `batch` is how many requests come together."""

    name: str
    batch: int
    requests: tuple[BenchRequest, ...]
    mixed: bool = False

    @property
    def label(self) -> str:
        """Its name in reports."""
        return self.name if self.mixed else f"{self.name}, batch {self.batch}"


class Contestants:
    """The sides that can paint, those that are warm for an assignment, and the speed of each as last measured."""

    def __init__(self, model: Model, painters: Mapping[EngineSide, Painter], matrix_peak: float) -> None:
        self._device = model.device
        self._painters = dict(painters)
        self._flops = FlopCounter(model)
        self._warm: set[tuple[EngineSide, Assignment]] = set()
        parameters: int = sum(weights.numel() for weights in model.transformer.parameters())
        self._guess = _FIRST_GUESS * matrix_peak / (2 * parameters)  # tokens through the transformer a second
        self._turns: dict[EngineSide, list[tuple[int, float]]] = {side: [] for side in EngineSide}

    def add(self, side: EngineSide, painter: Painter, like: EngineSide) -> None:
        """Let another side take part, about as fast as one that has painted."""
        self._painters[side] = painter
        self._turns[side] = list(self._turns[like])

    def remove(self, side: EngineSide) -> None:
        """Let a side take part no more."""
        del self._painters[side]

    def among(self, sides: Sequence[EngineSide], assignment: Assignment) -> tuple[EngineSide, ...]:
        """Return those of the sides that take part and can paint this: only alike pictures make a stock batch."""
        there = (side for side in sides if side in self._painters)
        alike = can_share_a_call(assignment.requests)
        return tuple(side for side in there if alike or side is not EngineSide.AS_BATCH)

    def seconds(self, sides: Sequence[EngineSide], assignment: Assignment) -> float:
        """Return how long a turn of each side will take at most, with the warm-up of those that are not warm."""
        wanted = pictures(assignment.requests)
        turn, warm_up = _tokens(wanted), _tokens(list(map(_brief, wanted)))
        tokens = {side: turn if (side, assignment) in self._warm else turn + warm_up for side in sides}
        return _MARGIN * sum(tokens[side] / self._speed(side, turn) for side in sides)

    def _speed(self, side: EngineSide, tokens: int) -> float:
        """Return the tokens a second of the side's turn that was most like one of so many; a guess before the first."""
        if not self._turns[side]:
            return self._guess
        like, seconds = min(self._turns[side], key=lambda turn: abs(math.log(turn[0] / tokens)))
        return like / seconds

    def warm_up(self, side: EngineSide, assignment: Assignment) -> None:
        """Have a side paint the assignment in two steps, the first time."""
        if (side, assignment) in self._warm:
            return
        brief = [replace(request, variants=tuple(map(_brief, request.variants))) for request in assignment.requests]
        self._painters[side](brief)
        self._warm.add((side, assignment))

    def paint(self, side: EngineSide, assignment: Assignment) -> Sequence[Any]:
        """Have a side paint, unmeasured; return its pictures."""
        return self._painters[side](assignment.requests)

    def take_turn(self, side: EngineSide, assignment: Assignment) -> Measurement[Sequence[Any]]:
        """Have a side paint, measured."""
        taken = measured(self._device, lambda: self.paint(side, assignment))
        self._turns[side].append((_tokens(pictures(assignment.requests)), taken.seconds))
        return taken

    def workload(self, assignment: Assignment) -> Workload:
        """Return the assignment with the operations it needs: counts those that are not counted yet, on the device."""
        wanted = pictures(assignment.requests)
        flops = sum(self._flops.picture(recipe) for recipe in wanted)
        return Workload(assignment.name, assignment.batch, len(wanted), flops, assignment.mixed)


def _brief(recipe: Recipe) -> Recipe:
    return replace(recipe, steps=min(recipe.steps, _WARM_UP_STEPS))


def _tokens(recipes: Sequence[Recipe]) -> int:
    """Return about how many tokens of 16 x 16 pixels pictures send through the transformer."""
    return sum(_passes(recipe) * recipe.width * recipe.height // 256 for recipe in recipes)


def _passes(recipe: Recipe) -> int:
    return recipe.steps * (2 if recipe.guidance_scale > 0 else 1)
