"""Linear layers in fp8 (e4m3): weights with a scale for each output row, inputs quantised row by row at each call."""

from collections.abc import Callable

import torch

from consumer.engine.runtime.forward.kernels import PLAIN

QuantiseRows = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Fp8Linear(torch.nn.Module):
    """Stands for a linear layer, with a weight of one byte a value. Each of its parameters has a row for each output.

    Its output has the input's dtype. Converting it to another dtype would spoil it.
    """

    def __init__(self, layer: torch.nn.Linear, quantise_rows: QuantiseRows) -> None:
        super().__init__()
        weight, scale = PLAIN.quantise_rows(layer.weight.detach())
        self.weight = torch.nn.Parameter(weight, requires_grad=False)
        self.scale = torch.nn.Parameter(scale, requires_grad=False)
        self.bias = layer.bias
        self._quantise_rows = quantise_rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        return self.product(x, self.weight, self.scale, self.bias)

    def product(
        self, x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the output with these parameters instead of its own: those of several layers of one input."""
        rows, scales = self._quantise_rows(x.reshape(-1, x.shape[-1]))
        out = torch._scaled_mm(  # noqa: SLF001 - its name
            rows,
            weight.t(),
            scale_a=scales.unsqueeze(1),
            scale_b=scale.unsqueeze(0),
            out_dtype=x.dtype,
            use_fast_accum=x.device.type == "cuda",
        ).view(*x.shape[:-1], -1)
        return out if bias is None else out + bias
