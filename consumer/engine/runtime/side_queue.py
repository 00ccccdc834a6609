"""Small work on the device that must not wait for the step that is running."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SideQueue:
    """A second stream on CUDA, which runs beside the steps. On other devices work is done where it is called."""

    def __init__(self, device: torch.device) -> None:
        # torch.cpu has the same functions and does nothing in them, so that a test takes the same way as CUDA.
        self._streams = torch.cuda if device.type == "cuda" else torch.cpu
        self._own = self._streams.Stream()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Launch the block's work beside what was launched before it; what is launched after the block waits for it."""
        with self._streams.stream(self._own):
            yield
        self._streams.current_stream().wait_stream(self._own)

    def hand_over(self, tensors: Iterable[torch.Tensor]) -> None:
        """Keep the memory of tensors that were made in `beside` until later steps that use them are done.

        The allocator otherwise gives it to the next work of this queue as soon as nothing refers to them.
        """
        for tensor in tensors:
            if tensor.is_cuda:
                tensor.record_stream(torch.cuda.current_stream(tensor.device))
