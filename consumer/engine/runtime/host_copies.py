"""Results on their way from the device to main memory, while the device works on."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray


class HostCopies:
    """Copies of tensors of one device in main memory, begun now; on CUDA in pinned memory and without waiting."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        device = tensors[0].device
        streams: Any = torch.cuda if device.type == "cuda" else torch.cpu  # whose events are done at once
        self._arrays = [_begin_copy(tensor).numpy() for tensor in tensors]
        self._event = streams.Event()
        self._event.record(streams.current_stream(device))

    @property
    def done(self) -> bool:
        """True once `wait` returns at once. Raises torch.AcceleratorError when the device is lost, as `wait` does."""
        return bool(self._event.query())

    def wait(self) -> list[NDArray[Any]]:
        """Wait for the copies and return them."""
        self._event.synchronize()
        return self._arrays


def _begin_copy(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.device.type != "cuda":
        return tensor.cpu()
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return pinned.copy_(tensor, non_blocking=True)
