"""Ordinals: the order in which a slot's requests were accepted, whatever is repeated."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.heads import Claim, Head, Slot, read_head, write_head
from consumer.delivery.ordinals import MOST_REMEMBERED, VARIATIONS, accept, forget_accepted

SAVE = Claim(Slot("a-1", "hero"), 1, "/cms", "save", time_ms=1_000)
AGAIN = replace(SAVE, request_id="again", variation=None, fresh=True)


def accept_all(*claims: Claim) -> tuple[Head, list[tuple[int, int]]]:
    head: Head | None = None
    numbers = []
    for claim in claims:
        head, accepted = accept(head, claim)
        numbers.append((accepted.ordinal, accepted.variation))
    assert head is not None
    return head, numbers


def test_each_request_has_the_next_number_and_a_repeat_its_own() -> None:
    """Also in between others of its revision; a newer revision goes on counting."""
    other = replace(SAVE, request_id="other", variation=4)
    _, numbers = accept_all(SAVE, other, SAVE, other, replace(SAVE, revision=2, request_id="next"))

    assert numbers == [(1, 0), (2, 4), (1, 0), (2, 4), (3, 0)]


def test_regenerating_goes_on_from_the_last_variation_that_was_asked_for() -> None:
    """A save without one does not set it back, a newer revision neither; a repeat gets its own again."""
    third = replace(AGAIN, request_id="third", revision=2)
    given = replace(SAVE, request_id="given", variation=7)
    head, numbers = accept_all(SAVE, AGAIN, AGAIN, given, replace(SAVE, request_id="plain"), third, third)

    assert [variation for _, variation in numbers] == [0, 1, 1, 7, 0, 8, 8]
    assert head.variation == 8


def test_variations_begin_again_at_their_end() -> None:
    """The contract's variations end at 999."""
    head, _ = accept(Head(1, "/cms", "save", variation=VARIATIONS - 1), AGAIN)

    assert head.variation == 0


def test_a_request_that_supersedes_nothing_leaves_no_trace() -> None:
    """A declined draft must not make the published save before it an old one."""
    head, _ = accept(None, SAVE)
    after, accepted = accept(head, replace(SAVE, revision=9, request_id="draft", supersedes=False))

    assert (after, accepted.ordinal) == (head, 2)


def test_after_a_decision_a_repeat_counts_as_accepted_after_it() -> None:
    """Or its outcome could never count again."""
    head, _ = accept(None, SAVE)
    after, accepted = accept(forget_accepted(head)._replace(ordinal=5), SAVE)

    assert accepted.ordinal == after.ordinal == 6
    assert accept(after, SAVE) == (after, accepted)


def test_the_first_request_of_a_slot_is_dated() -> None:
    """Rules may ask how long ago that was."""
    head, _ = accept_all(SAVE, replace(SAVE, revision=2, time_ms=9_000))

    assert head.since == 1_000


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdef"), st.sampled_from([None, 0, 1])), max_size=60))
def test_numbers_only_rise_and_survive_their_record(requests: list[tuple[int, str, int | None]]) -> None:
    """Whatever comes in whatever order; what is stored of it is bounded, and is read as it was written."""
    head: Head | None = None
    highest = 0
    for revision, name, variation in requests:
        claim = Claim(Slot("a-1", "hero"), revision, "/cms", name, variation, fresh=variation is None)
        head, accepted = accept(head, claim)
        assert accepted.ordinal <= highest + 1
        highest = max(highest, accepted.ordinal)
        assert head.ordinal == highest
        assert len(head.accepted) <= MOST_REMEMBERED
        assert read_head(write_head(head)) == head


def test_a_head_of_before_there_were_ordinals_is_read() -> None:
    """Its requests are numbered from 1."""
    old = read_head(b'{"revision": 7, "source": "/cms", "request_id": "save", "made": 7, "in_a_row": 0}')

    assert old == Head(7, "/cms", "save", made=7)
    assert accept(old, replace(SAVE, revision=7))[1].ordinal == 1
