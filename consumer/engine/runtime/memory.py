"""Limits of the device's memory, learned from calls that did not fit and lifted again slowly.

After running out of memory the denoiser leaves the failed call, releases memory and asks for a smaller limit here. Each
limit is smaller than the last; when there is no smaller one, offloading remains.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from consumer.engine.runtime.placement import Placement

RECOVERY_CALLS = 64
"""Calls that must fit close to a learned cap before a larger one is tried."""

_RECOVERY_STEPS = 8
"""Steps in which a cap rises from half of what did not fit to all of it."""

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
        self._cap: _Cap | None = None
        self._single: set[tuple[int, int]] = set()
        self._tiled: set[tuple[int, int]] = set()

    @property
    def max_tokens(self) -> int:
        """How many tokens fit into one call of several sequences."""
        return self._cap.tokens if self._cap else _UNBOUNDED

    def max_decodes(self, width: int, height: int) -> int:
        """Return how many pictures of this size one decode may take."""
        return 1 if (width, height) in self._single else max(1, DECODED_PIXELS // (width * height))

    def tiled(self, width: int, height: int) -> bool:
        """Return whether pictures of this size are decoded tile by tile."""
        return (width, height) in self._tiled

    def record_success(self, calls: Sequence[int]) -> None:
        """Record the tokens of calls that fitted; those close to the cap raise it slowly."""
        for tokens in calls:
            if self._cap and self._cap.recovers(tokens):
                self._cap = None

    def release(self) -> None:
        """Free unreferenced memory. Call it once no frame of the failed call is alive."""
        gc.collect()
        self._placement.unload()
        self._placement.empty_cache()

    def shrink_calls(self, tokens: int, sequences: int) -> bool:
        """Halve the tokens of a call after one that did not fit; return False if it had only one sequence."""
        if sequences > 1:
            self._cap = _Cap(tokens)
        return sequences > 1

    def shrink_decodes(self, width: int, height: int, pictures: int) -> bool:
        """Decode this size one by one, then tiled, from now on; return False if it already is."""
        smaller = self._tiled if pictures == 1 else self._single
        changed = (width, height) not in smaller
        smaller.add((width, height))
        return changed


class _Cap:
    """Half of the tokens that did not fit, and some more after each `RECOVERY_CALLS` calls that came close to it."""

    def __init__(self, refused: int) -> None:
        self._refused = refused
        self._calls = 0
        self.tokens = refused // 2

    def recovers(self, tokens: int) -> bool:
        """Count a call that fitted; return whether the cap has reached what did not fit and can go."""
        self._calls += tokens > self.tokens // 2
        if self._calls == RECOVERY_CALLS:
            self._calls = 0
            self.tokens += max(1, self._refused // (2 * _RECOVERY_STEPS))
        return self.tokens >= self._refused
