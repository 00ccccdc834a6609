"""Linear layers of one input as one product."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import linear

from consumer.engine.runtime.forward.fp8 import Fp8Linear


class FusedLinear:
    """Several linear layers of one input, computed as one product; what adapters add is added to each layer's part.

    The layers keep their parameters as views of the joint one, so the weights are in memory once. Moving a layer to
    another device undoes that: then make a new one.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        sizes = [base.weight.shape[0] for base in bases]
        self._adapted = [
            (layer, part) for layer, part in zip(layers, _slices(sizes), strict=True) if hasattr(layer, "base_layer")
        ]
        self.joined = _join(bases, list(_slices(sizes)))
        self._product = bases[0].product if isinstance(bases[0], Fp8Linear) else linear

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layers' outputs side by side."""
        joint = self._product(x, **self.joined)
        for layer, part in self._adapted:
            for update in _updates(layer, x):
                joint[..., part] += update
        return joint


class SeparateLinear:
    """The same with one product a layer, for weights that hooks move to the device."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = layers

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layers' outputs side by side."""
        return torch.cat([layer(x) for layer in self._layers], -1)


def _join(bases: Sequence[Any], parts: Sequence[slice]) -> dict[str, torch.Tensor]:
    """Return the layers' parameters as joint ones by name, of which their own become views."""
    joined = {}
    for name, _ in bases[0].named_parameters(recurse=False):
        joined[name] = torch.cat([getattr(base, name).data for base in bases])
        for base, part in zip(bases, parts, strict=True):
            getattr(base, name).data = joined[name][part]
    return joined


def _slices(sizes: Sequence[int]) -> Iterator[slice]:
    start = 0
    for size in sizes:
        yield slice(start, start + size)
        start += size


def _updates(layer: Any, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield what each active adapter of a PEFT layer adds to its output."""
    if layer.disable_adapters:
        return
    for name in layer.active_adapters:
        if name in layer.lora_A:
            down, up = layer.lora_A[name], layer.lora_B[name]
            yield up(down(x.to(down.weight.dtype))).to(x.dtype) * layer.scaling[name]
