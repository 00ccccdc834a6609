"""What the device's memory bears: learned from what did not fit, and forgotten slowly.

After an out-of-memory the denoiser leaves the failed call behind, gives memory back and asks here what to do
differently. Each answer asks for less than the one before; when there is no further one, offloading is left.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from consumer.engine.runtime.placement import Placement
    from consumer.engine.runtime.step_scheduler import TransformerCall

RECOVERY_CALLS = 64
"""Calls that must fit at a learned cap before one sequence more is tried."""

DECODED_PIXELS = 1024 * 1024
"""Most pixels of one decode: beyond, a call of its own costs little beside its work, and memory is dear."""

_UNBOUNDED = 1 << 30
_REFUSALS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",  # cuDNN, when no workspace fits
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error says that memory, the device's or the machine's, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator, cuBLAS and cuDNN have no error type of their own.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _REFUSALS)


class Memory:
    """Caps on calls and decodes of one device, and the way out of an out-of-memory."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._caps: dict[int, _Cap] = {}
        self._single: set[tuple[int, int]] = set()
        self._tiled: set[tuple[int, int]] = set()

    def sequences(self, length: int) -> int:
        """Return how many sequences of `length` tokens one call may take: what a shorter length cannot, none can."""
        cap = self._cap(length)
        return cap[1].sequences if cap else _UNBOUNDED

    def _cap(self, length: int) -> tuple[int, _Cap] | None:
        """Return the cap that binds sequences of this length, and the length at which it was learned."""
        binding = [(known, cap) for known, cap in self._caps.items() if known <= length]
        return min(binding, key=lambda found: found[1].sequences, default=None)

    def decodes(self, width: int, height: int) -> int:
        """Return how many pictures of this size may be decoded in one call."""
        return 1 if (width, height) in self._single else max(1, DECODED_PIXELS // (width * height))

    def tiles(self, width: int, height: int) -> bool:
        """Return whether pictures of this size are decoded tile by tile."""
        return (width, height) in self._tiled

    def fitted(self, calls: tuple[TransformerCall, ...]) -> None:
        """Take note that these calls fitted; after many at the cap, the cap rises by one."""
        for call in calls:
            binding = self._cap(call.length)
            if binding and call.sequences == binding[1].sequences and binding[1].recovered():
                del self._caps[binding[0]]

    def free(self) -> None:
        """Give back what nobody holds. Call it where no frame of the failed call is alive any more."""
        gc.collect()
        self._placement.gather()
        self._placement.empty_cache()

    def relieve_call(self, calls: tuple[TransformerCall, ...]) -> bool:
        """After calls that did not fit: halve what one may take from now on; False when it was one sequence."""
        largest = max(calls, key=lambda call: call.tokens)
        if largest.sequences > 1:
            self._caps[largest.length] = _Cap(largest.sequences)
        return largest.sequences > 1

    def relieve_decode(self, width: int, height: int, pictures: int) -> bool:
        """After a decode that did not fit: one by one, then by tiles from now on; False when that is so already."""
        less = self._tiled if pictures == 1 else self._single
        news = (width, height) not in less
        less.add((width, height))
        return news


class _Cap:
    """Half of what did not fit, and on its way back: one more after each `RECOVERY_CALLS` calls that did fit."""

    def __init__(self, refused: int) -> None:
        self._refused = refused
        self._calls = 0
        self.sequences = refused // 2

    def recovered(self) -> bool:
        """Count a call that fitted; return whether the cap has risen to where it no longer says anything."""
        self._calls += 1
        if self._calls == RECOVERY_CALLS:
            self._calls = 0
            self.sequences += 1
        return self.sequences == self._refused
