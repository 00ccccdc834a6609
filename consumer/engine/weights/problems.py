"""Problems that checkpoints and adapters have in common: numbers stored in ways that the gate does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.engine.weights.layout import JUNK, split_prefix
from consumer.engine.weights.payload import NUMBERS
from consumer.engine.weights.refusal import some
from consumer.engine.weights.report import WeightsProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from consumer.engine.weights.source import WeightsSource

ACCEPTED = frozenset({"BF16", "F16", "F32"})
"""Dtypes whose values the model takes as they are, or after a cast that loses nothing it would keep."""

_FP8 = {"F8_E4M3", "F8_E5M2"}
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
"""How names end that only quantised weights have."""


def problem(what: str, remedy: str) -> WeightsProblem:
    """Return a problem, told as the rest of a sentence that begins with the file."""
    return WeightsProblem(what, remedy)


def not_finite_problem(names: Iterable[str]) -> WeightsProblem:
    """Return the problem of tensors that hold NaN or infinity once they are in bf16."""
    what = f"holds NaN or infinity in {some(names)} (in bf16, which ends at 3.39e38)"
    return WeightsProblem(what, "Export it again, from an earlier step.")


def idle_problem(names: Iterable[str]) -> WeightsProblem:
    """Return the problem of a LoRA's matrices that are zero with their strength."""
    what = f"has matrices that do nothing, all zero or with alpha 0: {some(names)}"
    return WeightsProblem(what, "Export it again without them, or with the alpha that it was trained with.")


def dtype_problems(source: WeightsSource, numbers: Collection[str] = ()) -> Iterator[WeightsProblem]:
    """Say whether tensors are fp8, quantised in another way, or of a dtype that is none of a model's.

    `numbers` names tensors that are a single number each, which may be of any dtype that `payload.number` reads.
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
        yield WeightsProblem(
            f"is stored in fp8 ({kinds}): {some(fp8)}", "Use the bf16 or fp16 file that it was made from."
        )
    elif scales:
        yield WeightsProblem(f"is quantised: {some(scales)}", "Use the bf16 or fp16 file that it was made from.")
    others = sorted(name for name, tensor in used.items() if tensor.dtype not in ACCEPTED | _FP8)
    if others and not scales:
        kinds = ", ".join(sorted({used[name].dtype for name in others}))
        yield WeightsProblem(f"has tensors of dtype {kinds}: {some(others)}", "Save it as bf16, fp16 or fp32.")
