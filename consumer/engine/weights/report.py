"""What the gate found out about a file: every tensor accounted for, by block, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from consumer.engine.weights.layout import block_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ORDER = ("embedders", "noise_refiner", "context_refiner", "siglip_refiner", "layers", "final layer", "other")


@dataclass(frozen=True, slots=True)
class BlockCoverage:
    """A part of the model, how many tensors are wanted of it and how many are had."""

    name: str
    wanted: int
    had: int


@dataclass(frozen=True, slots=True)
class ShapeMismatch:
    """A tensor whose shape is not the model's."""

    name: str
    model: tuple[int, ...]
    file: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightsProblem:
    """Why the file is refused, and what mends it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """A file beside the model.

    Of a `base` the tensors counted are the model's; of an `adapter` they are the file's, all of which must take
    effect. `not_finite`, and `idle` with the matrices of an adapter that are zero, are empty as long as only headers
    were read (`payload` false).
    """

    path: str
    kind: str
    layout: str
    prefixes: tuple[str, ...]
    dtypes: Mapping[str, int]
    wanted: int
    had: int
    blocks: tuple[BlockCoverage, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[ShapeMismatch, ...] = ()
    twice: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    payload: bool = False
    problems: tuple[WeightsProblem, ...] = ()

    @property
    def coverage(self) -> float:
        """The share that is covered, 0 to 1: 1 only if nothing is missing."""
        return self.had / self.wanted if self.wanted else 0.0

    @property
    def accepted(self) -> bool:
        """Whether the worker would load it."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "coverage": self.coverage, "accepted": self.accepted}


def coverage_by_block(wanted: Iterable[str], had: Iterable[str]) -> tuple[BlockCoverage, ...]:
    """Count names of the model by block, in the order in which a picture passes them."""
    every, there = Counter(block_of(name) for name in wanted), Counter(block_of(name) for name in had)
    return tuple(BlockCoverage(name, every[name], there[name]) for name in sorted(every | there, key=_place))


def merge_equal_blocks(blocks: Iterable[BlockCoverage]) -> list[tuple[str, BlockCoverage]]:
    """Join neighbours that are alike under one title, such as `layers.0 to 29`; counts are those of each."""
    runs: list[list[BlockCoverage]] = []
    for each in blocks:
        last = runs[-1][-1] if runs else None
        alike = last is not None and (last.wanted, last.had) == (each.wanted, each.had)
        if last is not None and alike and _stem(last.name) == _stem(each.name):
            runs[-1].append(each)
        else:
            runs.append([each])
    return [(_title(run), run[0]) for run in runs]


def _title(run: list[BlockCoverage]) -> str:
    return run[0].name if len(run) == 1 else f"{run[0].name} to {run[-1].name.rpartition('.')[2]}"


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _place(name: str) -> tuple[int, int, str]:
    number = re.fullmatch(r"[a-z_]+\.([0-9]{1,9})", name)
    return _ORDER.index(_stem(name)), int(number[1]) if number else -1, name
