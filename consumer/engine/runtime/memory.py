"""Limits of the device's memory, learned from calls that did not fit and lifted again slowly.

After running out of memory the denoiser leaves the failed call, releases memory and asks for a smaller limit here. Each
limit is smaller than the last; when there is no smaller one, offloading remains.
"""

from __future__ import annotations

import gc

import torch

from consumer.engine.runtime.placement import Placement
from consumer.engine.runtime.step_scheduler import TransformerCall

RECOVERY_CALLS = 64
"""Calls that must fit at a learned cap before one more sequence is tried."""

DECODED_PIXELS = 1024 * 1024
"""Pixel limit of one decode: beyond it, batching saves little time and takes much memory."""

_UNBOUNDED = 1 << 30
_REFUSALS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",  # cuDNN, when no workspace fits
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error means that the device or the machine is out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator, cuBLAS and cuDNN have no error type of their own.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _REFUSALS)


class Memory:
    """Limits for calls and decodes on one device."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._caps: dict[int, _Cap] = {}
        self._single: set[tuple[int, int]] = set()
        self._tiled: set[tuple[int, int]] = set()

    def max_sequences(self, length: int) -> int:
        """Return how many sequences of `length` tokens fit into one call; a cap holds for all longer ones too."""
        cap = self._cap(length)
        return cap[1].sequences if cap else _UNBOUNDED

    def _cap(self, length: int) -> tuple[int, _Cap] | None:
        """Return the cap for sequences of this length and the length at which it was learned."""
        binding = [(known, cap) for known, cap in self._caps.items() if known <= length]
        return min(binding, key=lambda found: found[1].sequences, default=None)

    def max_decodes(self, width: int, height: int) -> int:
        """Return how many pictures of this size one decode may take."""
        return 1 if (width, height) in self._single else max(1, DECODED_PIXELS // (width * height))

    def tiled(self, width: int, height: int) -> bool:
        """Return whether pictures of this size are decoded tile by tile."""
        return (width, height) in self._tiled

    def record_success(self, calls: tuple[TransformerCall, ...]) -> None:
        """Record calls that fitted; after `RECOVERY_CALLS` at the cap, the cap rises by one."""
        for call in calls:
            binding = self._cap(call.length)
            if binding and call.sequences == binding[1].sequences and binding[1].recovered():
                del self._caps[binding[0]]

    def release(self) -> None:
        """Free unreferenced memory. Call it once no frame of the failed call is alive."""
        gc.collect()
        self._placement.unload()
        self._placement.empty_cache()

    def shrink_calls(self, calls: tuple[TransformerCall, ...]) -> bool:
        """Halve the sequences of a call after one that did not fit; return False if it had only one."""
        largest = max(calls, key=lambda call: call.tokens)
        if largest.sequences > 1:
            self._caps[largest.length] = _Cap(largest.sequences)
        return largest.sequences > 1

    def shrink_decodes(self, width: int, height: int, pictures: int) -> bool:
        """Decode this size one by one, then tiled, from now on; return False if it already is."""
        smaller = self._tiled if pictures == 1 else self._single
        changed = (width, height) not in smaller
        smaller.add((width, height))
        return changed


class _Cap:
    """Half of the sequences that did not fit, and one more after each `RECOVERY_CALLS` calls that fitted."""

    def __init__(self, refused: int) -> None:
        self._refused = refused
        self._calls = 0
        self.sequences = refused // 2

    def recovered(self) -> bool:
        """Count a call that fitted; return whether the cap has reached the number that did not fit and can go."""
        self._calls += 1
        if self._calls == RECOVERY_CALLS:
            self._calls = 0
            self.sequences += 1
        return self.sequences == self._refused
