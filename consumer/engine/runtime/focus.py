"""Where a prompt acts in its picture, told from how far guidance moved each place of it.

The constants were chosen on pictures of the demo model whose subject's place is known; docs/benchmarks/focal-point.md
has the result on others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.jobs import Focus

_FIRST, _LAST = 1 / 8, 2 / 3
"""Shares of the steps between which a thing's place is decided: before them the whole picture is, then its detail."""

_FLAT = 1e-3
"""Least difference between places, as a share of the largest, that says anything."""

_REACH = 0.3
"""How far places support each other, as a share of the shorter side: a thing is large, outlines and noise are not."""


def counts_for_focus(done: int, steps: int) -> bool:
    """Return whether the step after `done` of `steps` is a middle one; of any number of steps at least one is."""
    return _FIRST <= (done + 0.5) / steps <= _LAST


def find_focus(acted: NDArray[Any]) -> Focus | None:
    """Return the middle of where guidance acted most (rows x columns, not negative), with its spread.

    None if it acted the same all over, nowhere, or is not finite.
    """
    if not np.isfinite(acted).all() or np.ptp(acted) <= _FLAT * acted.max():
        return None
    rows, columns = acted.shape
    reach = _REACH * min(rows, columns)
    smooth = _nearness(rows, reach) @ acted.astype(np.float64) @ _nearness(columns, reach)
    weights = np.clip(smooth - (np.median(smooth) + smooth.max()) / 2, 0, None)
    if not weights.any():
        return None
    weights /= weights.sum()
    across, down = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    x, y = float(weights.sum(0) @ across), float(weights.sum(1) @ down)
    variance = float(weights.sum(0) @ (across - x) ** 2 + weights.sum(1) @ (down - y) ** 2) / 2
    return Focus(x / columns, y / rows, variance**0.5 / min(rows, columns))


def _nearness(places: int, reach: float) -> NDArray[np.float64]:
    """Return how near n places in a row are to each other: 1 for the same, falling to 0 at `reach` places."""
    at = np.arange(places)
    nearness: NDArray[np.float64] = np.clip(1 - np.abs(at - at[:, None]) / reach, 0, None)
    return nearness
