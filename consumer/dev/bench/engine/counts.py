"""What one denoising step at full size costs in kernels, bytes and operations, counted without a GPU.

On the meta device nothing runs: every operation is seen with its shapes. `python -m consumer.dev.bench.engine.counts`
writes docs/benchmarks/kernels.md.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from consumer.dev.bench.engine import full
from consumer.dev.bench.engine.corpus import requests_of
from consumer.dev.bench.engine.plan import PORTRAIT
from consumer.dev.bench.reporting import markdown_table, origin
from consumer.engine.protocol import Paint
from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.forward.fused import FUSED
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.geometry import LatentGeometry
from consumer.engine.runtime.guidance import velocities
from consumer.engine.runtime.prompts import Prompt
from consumer.engine.runtime.quantise import quantise
from consumer.engine.runtime.sample import Sample
from consumer.engine.runtime.step_scheduler import StepBatch
from consumer.jobs import Lane

Company = Sequence[tuple[int, int, int]]
"""Rows and columns in tokens, and prompt tokens, of each sequence of a step."""

COMPANIES: dict[str, Company] = {
    "512x512": [(32, 32, 20)],
    "512x512 with guidance": [(32, 32, 20), (32, 32, 20)],
    "512x512 with guidance, long prompt": [(32, 32, 70), (32, 32, 20)],
    "8 x 512x512 with guidance": [(32, 32, 20)] * 16,
    "1024x1024": [(64, 64, 40)],
    "4 sizes with guidance": [(32, 32, 20), (32, 48, 70), (64, 64, 32), (40, 16, 7)] * 2,
}
"""What steps together; tokens are 16 pixels a side."""

_VIEWS = frozenset(
    {
        *("_reshape_alias", "_unsafe_view", "alias", "as_strided", "detach", "expand", "lift_fresh", "permute"),
        *("select", "slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"),
        *("view_as_complex", "view_as_real"),
    }
)
_FLASH = torch.ops.aten._scaled_dot_product_flash_attention  # noqa: SLF001 - its name
_EFFICIENT = torch.ops.aten._scaled_dot_product_efficient_attention  # noqa: SLF001 - likewise
_PRODUCTS = frozenset({"_scaled_mm", "addmm", "bmm", "mm"})
_ONE_CALL = 1 << 30
_WHOLE = (1, 8, 21)
_PAGE = Path("docs/benchmarks/kernels.md")


class StepCount(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts kernels by name, views apart; the bytes moved outside of products and attention; the tokens attended to.

    Attention with a mask over padding is counted as `masked`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.kernels: Counter[str] = Counter()
        self.bytes = 0
        self.attended: list[int] = []
        self.masked = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operation and run it."""
        result, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        if name in _VIEWS:
            return result
        self.kernels[name] += 1
        if "attn" in name or "attention" in name:
            self.attended.append(args[0].shape[0])
            self.masked += "efficient" in name
        elif name not in _PRODUCTS:
            self.bytes += sum(each.nbytes for each in _tensors(args, kwargs, result))
        return result


def _tensors(*values: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, torch.Tensor)]


def _one_kernel_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None, **_: Any
) -> torch.Tensor:
    """Attend with the kernel that a GPU would take: on the meta device torch takes its formula apart instead."""
    if attn_mask is None:
        flash: torch.Tensor = _FLASH(query, key, value)[0]
        return flash
    bias = attn_mask.expand(*query.shape[:3], key.shape[2])
    masked: torch.Tensor = _EFFICIENT(query, key, value, bias, compute_log_sumexp=False)[0]
    return masked


def full_transformer() -> Any:
    """Return the full-size transformer in bf16 on the meta device, without weights."""
    with torch.device("meta"):
        return full.transformer().to(torch.bfloat16)


def full_forward(*, fp8: bool = False) -> PackedForward:
    """Return our forward pass of the full-size transformer with fused kernels; `fp8`: quantised."""
    transformer = full_transformer()
    if fp8:
        quantise(transformer, FUSED.quantise_rows)
    return PackedForward(transformer, FUSED, fused=True)


def count_step(forward: Forward, company: Company) -> StepCount:
    """Count a steady step of a company: its second one."""
    step = _step(forward, company)
    step()
    count = StepCount()
    with count:
        step()
    return count


def _step(forward: Forward, company: Company) -> Callable[[], None]:
    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=torch.bfloat16)

    latents = [empty(16, 2 * rows, 2 * columns) for rows, columns, _ in company]
    times = torch.empty(len(company), device="meta")
    with torch.no_grad():
        conditionings = [forward.condition(empty(text, 2560), rows, columns) for rows, columns, text in company]

    @torch.no_grad()
    def step() -> None:
        with patch("torch.nn.functional.scaled_dot_product_attention", _one_kernel_attention):
            forward.flows(latents, times, conditionings)

    return step


def count_whole_step(forward: Forward, pictures: int) -> StepCount:
    """Count a steady step of so many pictures of 512 x 512 with guidance: forward pass, guidance, schedulers, focus."""
    prompt = Prompt(tuple(range(20)), cut=False)
    recipe = requests_of(PORTRAIT, 1)[0].variants[0]
    embeddings = {prompt.tokens: torch.empty(len(prompt.tokens), 2560, device="meta", dtype=torch.bfloat16)}
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=6.0, use_dynamic_shifting=False)
    model: Any = SimpleNamespace(scheduler=scheduler, device=torch.device("meta"), channels=16)
    samples = [Sample(Paint(each, recipe, Lane.LIVE), prompt, prompt, LatentGeometry(8, 2)) for each in range(pictures)]
    count = StepCount()
    with torch.no_grad():
        for sample in samples:
            sample.begin(model, embeddings)
        for _ in range(recipe.steps // 2):
            _advance(forward, samples)
        with count:
            _advance(forward, samples)
    return count


def _advance(forward: Forward, samples: Sequence[Sample]) -> None:
    flows = velocities(forward, StepBatch(tuple(samples)).calls(_ONE_CALL))
    for sample in samples:
        sample.advance(flows[sample.number])


@dataclass(frozen=True, slots=True)
class _Row:
    company: str
    side: str
    count: StepCount
    flops: int

    @property
    def cells(self) -> tuple[str, ...]:
        kernels, gigabytes = sum(self.count.kernels.values()), self.count.bytes / 1e9
        masked = f"{self.count.masked} of {len(self.count.attended)}"
        return (self.company, self.side, str(kernels), f"{gigabytes:.1f}", f"{self.flops / 1e12:.1f}", masked)


def _rows() -> list[_Row]:
    sides: dict[str, Forward] = {
        "diffusers": StockForward(full_transformer()),
        "ours": full_forward(),
        "ours, fp8": full_forward(fp8=True),
    }
    rows = []
    for name, company in COMPANIES.items():
        for side, forward in sides.items():
            with FlopCounterMode(display=False) as flops:
                _step(forward, company)()
            rows.append(_Row(name, side, count_step(forward, company), flops.get_total_flops()))
    return rows


def _whole_steps() -> list[tuple[str, ...]]:
    forward = full_forward()
    return [(str(each), str(sum(count_whole_step(forward, each).kernels.values()))) for each in _WHOLE]


def _document() -> str:
    head = ("Step", "Forward pass", "kernels", "GB outside of products", "TFLOP", "masked attention")
    return "\n".join(
        (
            "# Kernels of a step",
            "",
            origin("python -m consumer.dev.bench.engine.counts"),
            "",
            "One denoising step of the full-size transformer in bf16, counted on the meta device: nothing ran, and no",
            "GPU was there. A kernel is an operation of torch that is no view. Bytes are those that operations other",
            "than matrix products and attention read and write. diffusers pads all sequences of a call to the longest",
            "one. `ours, fp8` is with `LEADART_ENGINE__QUANTIZATION=fp8`: three more kernels a layer quantise inputs.",
            "The bounds are tests: `tests/unit/dev/bench/engine/test_counts.py`.",
            "",
            markdown_table(head, [row.cells for row in _rows()]),
            "",
            "A whole step also has guidance, each picture's scheduler, and where guidance acted:",
            "",
            markdown_table(("Pictures of 512x512 with guidance", "kernels, ours"), _whole_steps()),
        )
    )


if __name__ == "__main__":
    _PAGE.write_text(_document() + "\n", encoding="utf-8")
