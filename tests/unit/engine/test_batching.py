from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.batching import next_batch
from consumer.engine.protocol import Paint
from consumer.jobs import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.jobs import Recipe

waiting_pictures = st.lists(
    st.tuples(
        st.sampled_from(Lane),
        st.sampled_from([64, 128]),
        st.sampled_from([2, 4]),
        st.sampled_from([0.0, 2.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def test_urgent_lanes_go_first_then_age(recipe_of: Callable[..., Recipe]) -> None:
    """A batch is filled by lane and then by age, not in the order in which pictures came."""
    orders = [
        Paint(1, recipe_of(), Lane.BACKFILL),
        Paint(2, recipe_of(), Lane.LIVE),
        Paint(3, recipe_of(), Lane.INTERACTIVE),
        Paint(4, recipe_of(), Lane.LIVE),
    ]
    assert [order.number for order in next_batch(orders, 3)] == [3, 2, 4]


def test_only_equal_shapes_keep_company(recipe_of: Callable[..., Recipe]) -> None:
    """Another width, height, step count or guidance scale keeps a picture out of the batch; another prompt does not."""
    odd: list[dict[str, float]] = [{"width": 128}, {"height": 128}, {"steps": 3}, {"guidance_scale": 3.0}]
    orders = [Paint(0, recipe_of(), Lane.LIVE)]
    orders += [Paint(number, recipe_of(**fields), Lane.LIVE) for number, fields in enumerate(odd, 1)]
    orders.append(Paint(9, recipe_of(prompt="another", negative_prompt="", seed=8), Lane.LIVE))
    assert [order.number for order in next_batch(orders, 8)] == [0, 9]


@given(pictures=waiting_pictures, limit=st.integers(min_value=1, max_value=5))
def test_every_picture_gets_its_turn_once(
    recipe_of: Callable[..., Recipe], pictures: list[tuple[Lane, int, int, float, bool]], limit: int
) -> None:
    """Batch after batch each picture comes up once, the most urgent leads, and suspects are always alone."""
    waiting = {
        number: Paint(number, recipe_of(width=width, steps=steps, guidance_scale=guidance), lane, alone=alone)
        for number, (lane, width, steps, guidance, alone) in enumerate(pictures)
    }
    seen: list[int] = []
    while waiting:
        batch = next_batch(waiting.values(), limit)
        assert (batch[0].lane.rank, batch[0].number) == min((o.lane.rank, o.number) for o in waiting.values())
        assert len(batch) == 1 or not any(order.alone for order in batch)
        assert len(batch) <= limit
        seen += [waiting.pop(order.number).number for order in batch]
    assert sorted(seen) == list(range(len(pictures)))
