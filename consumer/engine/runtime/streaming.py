"""The transformer's weights, read from safetensors straight to the device: main memory holds a chunk at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import diffusers
import torch

from consumer.engine.weights.folder import read_json, unavailable
from consumer.engine.weights.header import TensorInfo
from consumer.engine.weights.refusal import some
from consumer.engine.weights.report import QUANTISED
from consumer.engine.weights.source import own_source

CHUNK_BYTES: Final = 64 * 2**20
_DTYPES: Final = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}


def stream_transformer(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the transformer of a pipeline folder on the device. What its files lack stays on the meta device.

    Raises Fatal for quantised weights, ValueError for a tensor of another shape than the configuration says, OSError.
    """
    with torch.device("meta"):
        transformer = diffusers.ZImageTransformer2DModel.from_config(read_json(folder / "transformer", "config.json"))
    stored = own_source(folder).tensors
    _require_plain(folder, stored.items())
    shapes = {name: parameter.shape for name, parameter in transformer.named_parameters()}
    chunk = torch.empty(CHUNK_BYTES, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for name in sorted(stored.keys() & shapes.keys(), key=lambda each: (stored[each].file, stored[each].begin)):
        if stored[name].shape != shapes[name]:
            raise ValueError(f"{name} is {stored[name].shape} where its config.json says {tuple(shapes[name])}")
        tensor = torch.empty(shapes[name], dtype=dtype, device=device)
        _read(stored[name], tensor, chunk)
        module, _, parameter = name.rpartition(".")
        setattr(transformer.get_submodule(module), parameter, torch.nn.Parameter(tensor, requires_grad=False))
    return transformer.eval()


def _require_plain(folder: Path, stored: Iterable[tuple[str, TensorInfo]]) -> None:
    """Refuse what would be read as it is stored, although it means something else."""
    if bad := sorted(name for name, tensor in stored if name.endswith(QUANTISED) or tensor.dtype not in _DTYPES):
        raise unavailable(folder, f"has a quantised transformer ({some(bad)}), which would be read as it is stored")


def _read(stored: TensorInfo, tensor: torch.Tensor, chunk: torch.Tensor) -> None:
    """Fill a tensor from its file, in the tensor's dtype, through `chunk` (bytes in main memory)."""
    rest, dtype = tensor.view(-1), _DTYPES[stored.dtype]
    with stored.file.open("rb") as opened:
        opened.seek(stored.begin)
        while len(rest):
            part = chunk[: min(len(chunk), len(rest) * dtype.itemsize)]
            if opened.readinto(part.numpy().data) < len(part):
                raise OSError(f"{stored.file} has become shorter")
            values = part.view(dtype)
            rest[: len(values)].copy_(values.to(tensor.device))
            rest = rest[len(values) :]
