"""What serves: GPUs, how many of them a worker has, how fast they are, and the worker's own bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumer.engine.runtime.step_scheduler import PATIENCE_STEPS, STARVING_EVERY
from consumer.jobs import Lane

if TYPE_CHECKING:
    from consumer.testing.device import DevicePace


@dataclass(frozen=True)
class Fleet:
    """So many GPUs, all alike, spread evenly over as few workers as `gpus_a_worker` allows.

    `window` (pictures of a lane at each GPU), `unstored` and `in_hand` (records of a topic) are a worker's settings.
    """

    gpus: int
    pace: DevicePace
    gpus_a_worker: int = 8
    window: int = 8
    unstored: int = 64
    in_hand: int = 256

    @property
    def workers(self) -> int:
        """How many workers that makes."""
        return math.ceil(self.gpus / self.gpus_a_worker)

    @property
    def weakest(self) -> int:
        """GPUs of the worker that has the fewest; each worker has them or one more."""
        return self.gpus // self.workers

    def worker(self, number: int) -> Fleet:
        """Return one of the workers, 0 being the weakest, as a fleet of its own."""
        stronger = self.gpus % self.workers
        return replace(self, gpus=self.weakest + (number >= self.workers - stronger))

    @property
    def capacity(self) -> float:
        """Pictures a second when every step is full."""
        return self.gpus * self.pace.speedup / self.pace.seconds

    @property
    def starvation_steps(self) -> int:
        """Most steps of others that a picture at a GPU can be passed over for.

        It starves after so many; then one step in a few goes to the one that was passed over longest, and of those
        before it each takes one. Pictures of three lanes can starve: what is in the highest one steps.
        """
        return PATIENCE_STEPS + STARVING_EVERY * self.window * (len(Lane) - 1)
