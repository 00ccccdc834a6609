"""Which pictures are painted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.engine.protocol import Paint


def next_batch(waiting: Iterable[Paint], limit: int) -> list[Paint]:
    """Return the pictures to paint next, at most `limit`: the most urgent and oldest, and what can join it.

    The pipeline takes one size, step count and guidance scale per call, so company is of equal shape. A suspect is
    painted by itself: should it end the process again, no other picture is blamed.
    """
    ordered = sorted(waiting, key=_urgency)
    head = ordered[0]
    if head.alone:
        return [head]
    return [order for order in ordered if not order.alone and _shape(order) == _shape(head)][:limit]


def _urgency(order: Paint) -> tuple[int, int]:
    return order.lane.rank, order.number


def _shape(order: Paint) -> tuple[int, int, int, float]:
    recipe = order.recipe
    return recipe.width, recipe.height, recipe.steps, recipe.guidance_scale
