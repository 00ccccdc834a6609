"""The result of comparing a weights file with the model: coverage by block, deviations by name, problems, remedies."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consumer.engine.weights.layout import JUNK, block_of, split_prefix
from consumer.engine.weights.payload import NUMBERS
from consumer.engine.weights.refusal import some
from consumer.engine.weights.source import WeightsSource

ACCEPTED = frozenset({"BF16", "F16", "F32"})
"""Dtypes that the model takes unchanged, or after a cast that loses nothing it would keep."""

QUANTISED = (
    ".scale_weight",
    ".scale_input",
    ".weight_scale",
    ".input_scale",
    "scaled_fp8",
    ".comfy_quant",
    ".absmax",
    ".quant_map",
)
"""Name endings that only quantised weights have."""

_FP8 = {"F8_E4M3", "F8_E5M2"}
_FP8_REMEDY = "Use the bf16 or fp16 file that it was made from."
_ORDER = ("embedders", "noise_refiner", "context_refiner", "siglip_refiner", "layers", "final layer", "other")


@dataclass(frozen=True, slots=True)
class BlockCoverage:
    """A block of the model: its number of tensors, and how many of them the file has."""

    name: str
    wanted: int
    had: int


@dataclass(frozen=True, slots=True)
class ShapeMismatch:
    """A tensor whose shape differs from the model's."""

    name: str
    model: tuple[int, ...]
    file: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightsProblem:
    """Why the file is refused, as the rest of a sentence that begins with the file, and the remedy."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """A file compared with the model. The field names are the keys of `doctor weights --json`.

    Counts are of the model's tensors for a `base`, of the file's for an `adapter`, all of which must take effect.
    `not_finite`, and `idle` (matrices of an adapter that are zero), are empty when only headers were read (`payload`
    false).
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
        """Covered share, 0 to 1: 1 only if nothing is missing."""
        return self.had / self.wanted if self.wanted else 0.0

    @property
    def accepted(self) -> bool:
        """True if the worker would load the file."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return all fields, `coverage` and `accepted` as JSON values."""
        return {**asdict(self), "coverage": self.coverage, "accepted": self.accepted}


def not_finite_problem(names: Iterable[str]) -> WeightsProblem:
    """Return the problem of tensors that hold NaN or infinity once they are in bf16."""
    what = f"holds NaN or infinity in {some(names)} (in bf16, which ends at 3.39e38)"
    return WeightsProblem(what, "Export it again, from an earlier step.")


def idle_problem(names: Iterable[str]) -> WeightsProblem:
    """Return the problem of LoRA matrices that are zero once multiplied by their strength."""
    what = f"has matrices that do nothing, all zero or with alpha 0: {some(names)}"
    return WeightsProblem(what, "Export it again without them, or with the alpha that it was trained with.")


def dtype_problems(source: WeightsSource, numbers: Collection[str] = ()) -> Iterator[WeightsProblem]:
    """Yield a problem for tensors in fp8, otherwise quantised, or of a dtype that models do not use.

    `numbers` names tensors of a single number each, which may have any dtype that `payload.number` reads.
    """
    used = {
        name: tensor
        for name, tensor in source.tensors.items()
        if split_prefix(name)[1] not in JUNK and not (name in numbers and tensor.dtype in NUMBERS)
    }
    fp8 = sorted(name for name, tensor in used.items() if tensor.dtype in _FP8)
    scales = sorted(name for name in used if name.endswith(QUANTISED))
    if fp8:
        kinds = ", ".join(sorted({used[name].dtype for name in fp8}))
        yield WeightsProblem(f"is stored in fp8 ({kinds}): {some(fp8)}", _FP8_REMEDY)
    elif scales:
        yield WeightsProblem(f"is quantised: {some(scales)}", _FP8_REMEDY)
    others = sorted(name for name, tensor in used.items() if tensor.dtype not in ACCEPTED | _FP8)
    if others and not scales:
        kinds = ", ".join(sorted({used[name].dtype for name in others}))
        yield WeightsProblem(f"has tensors of dtype {kinds}: {some(others)}", "Save it as bf16, fp16 or fp32.")


def coverage_by_block(expected: Iterable[str], found: Iterable[str]) -> tuple[BlockCoverage, ...]:
    """Count names of the model by block, in the order in which the data flow passes the blocks."""
    every, there = Counter(map(block_of, expected)), Counter(map(block_of, found))
    return tuple(BlockCoverage(name, every[name], there[name]) for name in sorted(every | there, key=_position))


def merge_equal_blocks(blocks: Iterable[BlockCoverage]) -> list[tuple[str, BlockCoverage]]:
    """Join neighbours with equal counts under one title, such as `layers.0 to 29`; counts are per block."""
    runs: list[list[BlockCoverage]] = []
    for block in blocks:
        last = runs[-1][-1] if runs else None
        equal = last is not None and (last.wanted, last.had) == (block.wanted, block.had)
        if last is not None and equal and _stem(last.name) == _stem(block.name):
            runs[-1].append(block)
        else:
            runs.append([block])
    return [(_title(run), run[0]) for run in runs]


def _title(run: list[BlockCoverage]) -> str:
    return run[0].name if len(run) == 1 else f"{run[0].name} to {run[-1].name.rpartition('.')[2]}"


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _position(name: str) -> tuple[int, int, str]:
    number = re.fullmatch(r"[a-z_]+\.([0-9]{1,9})", name)
    return _ORDER.index(_stem(name)), int(number[1]) if number else -1, name
