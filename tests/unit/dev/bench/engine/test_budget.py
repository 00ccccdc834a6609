from __future__ import annotations

import math

from consumer.dev.bench.engine.budget import Budget


def test_seconds_run_from_the_beginning() -> None:
    """What is left is told against the clock, and is negative once it is used up."""
    times = iter((100.0, 130.0, 161.0))
    budget = Budget(60, lambda: next(times))
    assert [budget.left, budget.left] == [30, -1]


def test_without_one_there_is_always_time() -> None:
    """A run without a budget leaves nothing out."""
    assert Budget(None).left == math.inf
