"""Where a prompt acts in its picture, told from how far guidance moved each place of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.jobs import Focus

_FIRST, _LAST = 0.25, 0.75
"""Shares of the steps between which a thing's place is decided: before them the whole picture is, then its detail."""

_FLAT = 1e-3
"""Least difference between places, as a share of the largest, that says anything."""


def counts_for_focus(done: int, steps: int) -> bool:
    """Return whether the step after `done` of `steps` is a middle one; of any number of steps at least one is."""
    return _FIRST <= (done + 0.5) / steps <= _LAST


def find_focus(acted: NDArray[Any]) -> Focus | None:
    """Return the centroid of where guidance acted (rows x columns, not negative), with its spread.

    None if it acted the same all over, nowhere, or is not finite.
    """
    weights = acted.astype(np.float64)
    if not np.isfinite(weights).all() or np.ptp(weights) <= _FLAT * weights.max():
        return None
    weights /= weights.sum()
    rows, columns = weights.shape
    across, down = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    x, y = float(weights.sum(0) @ across), float(weights.sum(1) @ down)
    variance = float(weights.sum(0) @ (across - x) ** 2 + weights.sum(1) @ (down - y) ** 2) / 2
    return Focus(x / columns, y / rows, variance**0.5 / min(rows, columns))
