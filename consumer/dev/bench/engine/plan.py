"""The plan of `leadart bench engine`. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from consumer.settings import EngineSettings

_Side = TypeVar("_Side", bound=StrEnum)

_SHAPE = re.compile(r"(\d{1,5})x(\d{1,5})x(\d{1,4})x(\d{1,3}(?:\.\d+)?)")


class RandomModel(StrEnum):
    """A model with random weights: a few megabytes, or the real 6.15 billion parameters."""

    TINY = "tiny"
    FULL = "full"


class EngineSide(StrEnum):
    """Who paints, as named in the report."""

    ONE_BY_ONE = "stock, one by one"
    AS_BATCH = "stock, as a batch"
    STOCK_COMPILED = "stock, compiled"
    DENOISER = "denoiser"
    COMPILED = "denoiser, compiled"


COMPILED_SIDES = (EngineSide.STOCK_COMPILED, EngineSide.COMPILED)
"""The sides that pay for a compiler before their first picture."""


@dataclass(frozen=True, slots=True)
class PictureShape:
    """Width and height in pixels, denoising steps, guidance in Z-Image's sense (0 is none)."""

    width: int
    height: int
    steps: int
    guidance: float

    @classmethod
    def parse(cls, text: str) -> PictureShape:
        """Parse a shape written as 512x512x12x2.0. Raises ValueError with a sentence."""
        found = _SHAPE.fullmatch(text.strip())
        if not found or not int(found[3]):
            raise ValueError(f"{text} is no shape: width x height x steps x guidance, as in 512x512x12x2.0")
        return cls(int(found[1]), int(found[2]), int(found[3]), float(found[4]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.steps}x{self.guidance}"


PORTRAIT = PictureShape(512, 512, 12, 2.0)
LARGE = PictureShape(1024, 1024, 8, 0.0)
BAR_WORK = ((PORTRAIT, 1), (PORTRAIT, 8), (LARGE, 1))
"""The shapes and batches that have a bar, by worth."""
TINY_SHAPES = tuple(PictureShape(side, side, 12, 2.0) for side in (64, 128, 256, 512))
FULL_SHAPES = (PORTRAIT, LARGE)


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """How much to measure. In each of `rounds` all sides take a turn, and who begins changes.

    The model is the folder in `settings.model`, or a `random` one. Without `shapes`, those that suit the model are
    measured: `small` ones for a small model, which is known once it is loaded. `mixed` requests come last; 0 leaves
    them out. `compiled` says whether compiled sides take part; None: on a GPU.
    """

    settings: EngineSettings
    random: RandomModel | None = None
    shapes: tuple[PictureShape, ...] = ()
    batches: tuple[int, ...] = (1, 4, 8)
    rounds: int = 3
    mixed: int = 64
    compiled: bool | None = None
    small: bool = False

    @property
    def kinds(self) -> tuple[PictureShape, ...]:
        """The shapes to measure."""
        return self.shapes or (TINY_SHAPES if self.small else FULL_SHAPES)

    @property
    def work(self) -> tuple[tuple[PictureShape, int], ...]:
        """The shapes and batches to measure, those that have a bar first."""
        every = [(shape, batch) for shape in self.kinds for batch in self.batches]
        first = [each for each in BAR_WORK if each in every]
        return (*first, *(each for each in every if each not in first))


def order(sides: Iterable[_Side], turn: int) -> tuple[_Side, ...]:
    """Return the order of a round: each side begins in turn."""
    every = tuple(sides)
    first = turn % len(every)
    return every[first:] + every[:first]
