from __future__ import annotations

from consumer.storage.marker import WithdrawalMarker

NOTHING = WithdrawalMarker()


def test_a_marker_covers_its_slots_or_all() -> None:
    """A withdrawal of the article covers every slot, also those that nobody has asked for yet."""
    one, every = NOTHING.withdrawn("hero", "0:1"), NOTHING.withdrawn(None, "0:1")

    assert (one.covers("hero"), one.covers("social")) == (True, False)
    assert every.covers("social")
    assert not NOTHING.covers("hero")


def test_a_restoration_of_a_slot_does_not_lift_that_of_the_article() -> None:
    """Nor does it lift another slot's."""
    both = NOTHING.withdrawn("hero", "0:1").withdrawn("social", "0:2")

    assert not both.restored("hero").covers("hero")
    assert both.restored("hero").covers("social")
    assert both.withdrawn(None, "0:3").restored("hero").covers("hero")
    assert not both.withdrawn(None, "0:3").restored(None).covers("social")


def test_a_withdrawal_that_was_taken_back_stays_so() -> None:
    """A worker that was frozen meanwhile may write it once more; a new one has another id."""
    over = NOTHING.withdrawn(None, "0:1").restored(None)

    assert not over.withdrawn(None, "0:1").covers("hero")
    assert over.withdrawn(None, "0:2").covers("hero")


def test_a_marker_does_not_grow_for_ever() -> None:
    """Only the last withdrawals that were taken back are remembered."""
    marker = NOTHING
    for number in range(100):
        marker = marker.withdrawn(None, f"0:{number}").restored(None)

    assert len(marker.ended) == 16
    assert marker.ended[-1] == "0:99"
