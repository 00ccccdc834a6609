from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consumer.engine.runtime.focus import counts_for_focus, find_focus


def spot(row: int, column: int, rows: int = 16, columns: int = 24) -> np.ndarray:
    """Return a map in which guidance acted at one place alone."""
    acted = np.zeros((rows, columns), np.float32)
    acted[row, column] = 1.0
    return acted


def test_a_point_is_found_where_it_is() -> None:
    """The focus of a single place is its middle, with little spread."""
    focus = find_focus(spot(4, 6))
    assert focus
    assert (focus.x, focus.y) == pytest.approx((6.5 / 24, 4.5 / 16))
    assert focus.spread < 0.1


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (18, 32), (32, 18), (128, 128), (16, 64)])
def test_a_thing_is_found_in_noise(rows: int, columns: int) -> None:
    """A thing that fills a third of each side is found off the middle, beside noise, a horizon and a bright corner."""
    acted = np.random.default_rng(1).uniform(0.5, 1.5, (rows, columns)).astype(np.float32)
    acted[rows // 2, :] += 0.5
    acted[0, :2] += 5
    acted[rows // 2 : rows // 2 + rows // 3, columns // 2 : columns // 2 + columns // 3] += 1
    focus = find_focus(acted)
    assert focus
    assert (focus.x, focus.y) == pytest.approx((2 / 3, 2 / 3), abs=0.06)


def test_what_is_scattered_has_more_spread() -> None:
    """The spread tells one place from two far apart."""
    one, two = find_focus(spot(8, 4)), find_focus(spot(8, 4) + spot(8, 20))
    assert one
    assert two
    assert two.x == pytest.approx(0.5 + 0.5 / 24)
    assert two.spread > one.spread + 0.3


@pytest.mark.parametrize(
    "acted",
    [np.zeros((8, 8)), np.ones((8, 8)), np.ones((1, 1)), np.full((8, 8), np.nan), np.diag([np.inf, 1])],
    ids=["nowhere", "everywhere", "one place", "not a number", "infinite"],
)
def test_what_says_nothing_gives_none(acted: np.ndarray) -> None:
    """A map that is flat or not finite has no focus."""
    assert find_focus(acted.astype(np.float32)) is None


@given(arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(0, 1e6, width=32)))
def test_a_focus_lies_in_its_picture(acted: np.ndarray) -> None:
    """Whatever the map, the point is inside the picture, and the spread is finite and not negative."""
    found = find_focus(acted)
    assert found is None or (0 < found.x < 1 and 0 < found.y < 1 and 0 <= found.spread < np.inf)


@pytest.mark.parametrize("steps", [*range(1, 60), 1000])
def test_the_middle_steps_count(steps: int) -> None:
    """Of any number of steps at least one counts, never the first or last of many, and they are consecutive."""
    counted = [done for done in range(steps) if counts_for_focus(done, steps)]
    assert counted
    assert all(after == before + 1 for before, after in pairwise(counted))
    assert steps < 5 or (counted[0] > 0 and counted[-1] < steps - 1)
