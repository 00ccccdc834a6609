"""The time that a benchmark may take. Imports no torch."""

import math
import time
from collections.abc import Callable


class Budget:
    """Seconds from now on; None: as long as it takes."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = math.inf if seconds is None else clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left; negative once they are used up."""
        return self._ends - self._clock()
