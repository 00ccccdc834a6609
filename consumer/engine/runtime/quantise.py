"""Quantising of the transformer's large weights to fp8, once its checkpoint and adapters are loaded."""

import re
from typing import Any

import torch

from consumer.engine.runtime.forward.fp8 import Fp8Linear, QuantiseRows
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.errors import Fatal
from schemas import Reason

_QUANTISED = re.compile(r"layers\.\d+\.(attention\.to_out\.0|feed_forward\.w[123])(\.base_layer)?")
"""Three quarters of the main layers' weights, also within adapters. Query, key and value stay as they are: rounding
them cost the most, 5 dB of 39 (docs/operations/engine.md).
"""

_MULTIPLE = 16
"""What both sides of an fp8 weight have to be multiples of."""


def quantise(transformer: Any, quantise_rows: QuantiseRows) -> None:
    """Put fp8 layers in the place of the large ones, one after the other: the earlier weights are freed."""
    layers = [(name, each) for name, each in transformer.named_modules() if _QUANTISED.fullmatch(name)]
    while layers:
        name, layer = layers.pop()
        if isinstance(layer, torch.nn.Linear) and not any(side % _MULTIPLE for side in layer.weight.shape):
            parent, _, own = name.rpartition(".")
            setattr(transformer.get_submodule(parent), own, Fp8Linear(layer, quantise_rows))
    if transformer.device.type == "cuda":
        torch.cuda.empty_cache()


def require_fp8(device: torch.device, dtype: torch.dtype) -> None:
    """Raise Fatal unless the device multiplies in fp8, shown by a tiny product."""
    try:
        layer = torch.nn.Linear(_MULTIPLE, _MULTIPLE, bias=False, device=device, dtype=dtype)
        Fp8Linear(layer, PLAIN.quantise_rows)(layer.weight.detach()).sum().item()
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__QUANTIZATION=fp8 needs a GPU that multiplies fp8 rows (compute capability 8.9 or later: "
            f"L4, RTX 40, H100), or a CPU; {device} does not ({first}). Leave the setting unset there.",
        ) from error
