"""What both stages of training share: a moving average of the weights, a schedule, and a clock that resumes."""

from __future__ import annotations

import time
from math import cos, pi
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_STEP_SECONDS = 15.0


class Average:
    """An exponential moving average of weights, with a short memory at the beginning."""

    def __init__(self, weights: Iterable[torch.Tensor], decay: float) -> None:
        self.weights = list(weights)
        self.decay = decay
        self.shadow = [weight.detach().clone() for weight in self.weights]
        self.count = 0

    def update(self) -> None:
        """Take the weights of now into the average."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(self.shadow, [weight.detach() for weight in self.weights], 1 - decay)

    def reset(self) -> None:
        """Begin again with the weights of now."""
        self.shadow, self.count = [weight.detach().clone() for weight in self.weights], 0

    def swap(self) -> None:
        """Exchange the average and the weights: once before a picture is taken, once after."""
        for weight, shadow in zip(self.weights, self.shadow, strict=True):
            kept = weight.detach().clone()
            weight.data.copy_(shadow)
            shadow.copy_(kept)


class Clock:
    """Minutes trained so far, over all runs; a step that a pause made long counts as a short one."""

    def __init__(self, budget_minutes: float, minutes: float = 0.0) -> None:
        self.budget = budget_minutes
        self.minutes = minutes
        self._last = time.monotonic()

    def tick(self) -> float:
        """Count the time since the last tick and return the share of the budget that is used, at most 1."""
        now = time.monotonic()
        self.minutes += min(now - self._last, _LONGEST_STEP_SECONDS) / 60
        self._last = now
        return min(1.0, self.minutes / self.budget)


def rate(share: float, *, warm: float = 0.02, hold: float = 0.0, floor: float = 0.02) -> float:
    """Return the learning rate's factor at that share of the training: up, held, then down along a cosine."""
    if share < warm:
        return max(share / warm, 0.02)
    if share < hold:
        return 1.0
    done = (share - max(warm, hold)) / (1 - max(warm, hold))
    return floor + (1 - floor) * (1 + cos(pi * done)) / 2
