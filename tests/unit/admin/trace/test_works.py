"""A request's record, retries, outcome and dead letter are put together."""

from __future__ import annotations

from consumer.admin.trace.timeline import TracedOutcome
from consumer.admin.trace.works import TracedWork, collect_works
from schemas import names
from tests.support.timelines import WAITING, asked, letter, outcome, place, ready, retried, timeline


def test_retries_belong_to_the_record_that_they_came_from() -> None:
    """The first known record names the request, and the last one says where it is."""
    (work,) = collect_works(timeline(requests=(asked(), retried()), letters=(letter(),)))

    assert (work.request.place, work.last.place) == (place(1), place(0, names.RETRY_10M))
    assert (work.outcome, work.letter) == (None, letter())


def test_each_publication_of_a_request_has_its_own_outcome() -> None:
    """A replay repeats the event id: what came before it is the first publication's."""
    again = asked(1, 20, place=place(4, names.BACKFILL), origin=place(4, names.BACKFILL), standing=WAITING)
    first, second = ready(1, 55), ready(1, 10)

    pending = collect_works(timeline(requests=(asked(), again), outcomes=(first,)))
    finished = collect_works(timeline(requests=(asked(), again), outcomes=(first, second)))

    assert [work.outcome for work in pending] == [first, None]
    assert [work.outcome for work in finished] == [first, second]


def test_clocks_that_differ_lose_no_outcome() -> None:
    """An outcome that seems older than its finished request is still the request's."""
    (work,) = collect_works(timeline(requests=(asked(1, 60),), outcomes=(ready(1, 61),)))

    assert work.outcome == ready(1, 61)


def test_the_last_outcome_of_a_request_counts() -> None:
    """A request that was held is answered once more."""
    held = outcome("held", minutes=50)
    (work,) = collect_works(timeline(requests=(asked(),), outcomes=(held, ready(1, 40))))

    assert work.outcome == ready(1, 40)


def test_an_approval_has_its_effect_once_the_held_request_has_its_end() -> None:
    """Whatever the group's offset said a moment before; the end of another request, or of before, is none of it."""
    approval = asked(2, 45, kind="image-approved", revision=1, standing=WAITING)
    held, end = outcome("held", minutes=50), ready(1, 40)
    other, before = ready(3, 40, revision=1), ready(1, 46)

    def of(*outcomes: TracedOutcome) -> TracedWork:
        return collect_works(timeline(requests=(asked(), approval), outcomes=outcomes))[-1]

    assert (of(held, end).released, of(held, end).is_silent, of(held, end).outcome) == (end, True, None)
    assert [of(*some).released for some in [(held,), (held, other), (before, held), (end,)]] == [None] * 4
    assert not of(held).is_silent
