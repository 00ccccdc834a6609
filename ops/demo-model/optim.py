"""Muon: momentum whose matrix is made orthogonal, so that every direction of a layer learns at the same pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOMENTUM = 0.95
_ROUNDS = ((4.0848, -6.8946, 2.927), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046))


class Muon(torch.optim.Optimizer):
    """For matrices and kernels, in full precision; a step is as long as one of AdamW, so that rates compare."""

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(list(matrices), {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step; matrices of one shape are made orthogonal together."""
        del closure
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for shape, weights in shapes.items():
                stacked = torch.stack([self._direction(weight).flatten(1) for weight in weights])
                pace = group["lr"] * 0.2 * max(stacked.shape[1:]) ** 0.5
                for weight, change in zip(weights, orthogonal(stacked), strict=True):
                    weight.mul_(1 - group["lr"] * 0.01).sub_(change.view(shape), alpha=pace)

    def _direction(self, weight: torch.nn.Parameter) -> torch.Tensor:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: torch.Tensor = state["momentum"]
        momentum.mul_(_MOMENTUM).add_(weight.grad if weight.grad is not None else 0)
        return momentum.mul(_MOMENTUM).add(weight.grad) if weight.grad is not None else momentum


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices (count, rows, columns) with all singular values near 1, by Newton-Schulz rounds."""
    tall = matrices.shape[1] > matrices.shape[2]
    found: torch.Tensor = matrices.transpose(1, 2) if tall else matrices
    found = found / (found.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-7)
    for first, third, fifth in _ROUNDS:
        gram = found @ found.transpose(1, 2)
        found = first * found + (third * gram + fifth * gram @ gram) @ found
    return found.transpose(1, 2) if tall else found
