"""Of each article and slot one request is kept, whatever the order in which they are read."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.replay.source import NewestRequests, SlotRequest
from consumer.delivery.heads import Slot

SLOTS = st.builds(Slot, st.sampled_from(["a-1", "a-2"]), st.sampled_from(["hero", "thumb"]))
CANDIDATES = st.builds(
    SlotRequest, st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.integers(0, 50), st.booleans()
)
OFFERS = st.lists(st.tuples(SLOTS, CANDIDATES), unique_by=lambda offer: offer[1][2:4])


@given(OFFERS, st.randoms(use_true_random=False))
def test_the_highest_revision_wins_and_of_equal_ones_the_later(
    offers: list[tuple[Slot, SlotRequest]], random: Random
) -> None:
    """What is kept is the greatest by revision, then time, then place; no order of reading changes that."""
    newest, shuffled = NewestRequests(), list(offers)
    random.shuffle(shuffled)
    for slot, candidate in shuffled:
        newest.offer(slot, candidate)

    assert dict(newest) == dict(sorted(offers, key=lambda offer: offer[1]))


@given(OFFERS)
def test_an_older_request_never_stands_in_for_one_that_was_not_chosen(offers: list[tuple[Slot, SlotRequest]]) -> None:
    """A slot whose newest request the filters left out is not replayed at all."""
    newest = NewestRequests()
    for slot, candidate in offers:
        newest.offer(slot, candidate)
    chosen = [candidate for found in newest.per_partition().values() for candidate in found]

    assert sorted(chosen) == sorted(candidate for _, candidate in newest if candidate.chosen)
    assert all(found == sorted(found, key=lambda one: one.offset) for found in newest.per_partition().values())
