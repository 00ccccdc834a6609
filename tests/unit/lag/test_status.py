from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.lag.status import (
    FLOOR_SECONDS,
    JOBS,
    UNMEASURED_SECONDS,
    BacklogGrowth,
    LagFacts,
    LagStatus,
    assess,
    patience,
    worst,
)

WELL = LagFacts(
    incomplete=5,
    waited=30.0,
    awaited=True,
    members=2,
    silence=15.0,
    silence_anywhere=5.0,
    ahead=0,
    job_seconds=20.0,
    growth=None,
)
STILL = replace(WELL, waited=1000.0, silence=1000.0, silence_anywhere=1000.0)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (WELL, LagStatus.OK),
        (replace(WELL, incomplete=0, members=0, waited=None), LagStatus.OK),
        (replace(WELL, incomplete=0, silence=1e9, silence_anywhere=1e9), LagStatus.OK),
        (replace(WELL, members=0), LagStatus.STOPPED),
        (replace(WELL, incomplete=None, waited=None, stuck=True), LagStatus.STOPPED),
        (replace(WELL, incomplete=0, waited=None, stuck=True), LagStatus.STOPPED),
        (replace(WELL, members=0, waited=None, silence=None), LagStatus.STOPPED),
        (replace(WELL, members=None), LagStatus.OK),
        (replace(WELL, foreign=True), LagStatus.STALLED),
        (replace(WELL, foreign=True, incomplete=0), LagStatus.OK),
        (STILL, LagStatus.STALLED),
        (replace(STILL, members=None), LagStatus.STALLED),
        (replace(STILL, awaited=False), LagStatus.STALLED),
        (replace(STILL, waited=199.0), LagStatus.OK),
        (replace(STILL, waited=201.0), LagStatus.STALLED),
        (replace(STILL, job_seconds=100.0), LagStatus.OK),
        (replace(STILL, job_seconds=101.0), LagStatus.OK),
        (replace(STILL, job_seconds=99.0), LagStatus.STALLED),
        (replace(STILL, job_seconds=None, waited=601.0), LagStatus.STALLED),
        (replace(STILL, job_seconds=None, waited=599.0), LagStatus.OK),
        (replace(STILL, silence=None, silence_anywhere=None), LagStatus.STALLED),
        (replace(STILL, silence_anywhere=10.0), LagStatus.STALLED),
        (replace(STILL, silence_anywhere=10.0, ahead=60), LagStatus.SLOW),
        (replace(STILL, silence_anywhere=10.0, ahead=60, awaited=False), LagStatus.OK),
        (replace(STILL, silence_anywhere=1000.0, ahead=60), LagStatus.STALLED),
        (replace(WELL, waited=500.0), LagStatus.SLOW),
        (replace(WELL, waited=500.0, awaited=False), LagStatus.OK),
        (replace(WELL, waited=100.0, growth=BacklogGrowth(20, 60.0)), LagStatus.SLOW),
        (replace(WELL, waited=100.0, growth=BacklogGrowth(-1, 60.0)), LagStatus.OK),
        (replace(WELL, waited=100.0, growth=BacklogGrowth(20, -1.0)), LagStatus.OK),
        (replace(WELL, waited=60.0, growth=BacklogGrowth(20, 50.0)), LagStatus.OK),
        (replace(WELL, waited=100.0, awaited=False, growth=BacklogGrowth(20, 60.0)), LagStatus.OK),
        (replace(WELL, outage=True), LagStatus.STALLED),
        (replace(WELL, outage=True, waited=None), LagStatus.STALLED),
        (replace(WELL, outage=True, members=0), LagStatus.STOPPED),
        (replace(WELL, outage=True, incomplete=0), LagStatus.OK),
        (replace(WELL, incomplete=None), None),
        (replace(WELL, waited=None), None),
    ],
)
def test_the_rules(facts: LagFacts, expected: LagStatus | None) -> None:
    """Each rule of docs/operations/lag.md, at its edge."""
    assert assess(facts) is expected


def test_patience_is_ten_jobs_and_never_less_than_three_minutes() -> None:
    """A job of 20 s or of 60 s is no stall, nor is a request for nine pictures where most ask for one."""
    assert patience(1.0) == FLOOR_SECONDS == 180.0
    assert patience(20.0) == 20.0 * JOBS
    assert patience(60.0) == patience(None) == UNMEASURED_SECONDS * JOBS


seconds = st.floats(0, 1e7)
facts_strategy = st.builds(
    LagFacts,
    incomplete=st.none() | st.integers(0, 10**6),
    waited=st.none() | seconds,
    awaited=st.booleans(),
    members=st.none() | st.integers(0, 50),
    silence=st.none() | seconds,
    silence_anywhere=st.none() | seconds,
    ahead=st.integers(0, 2000),
    job_seconds=st.none() | st.floats(0, 600),
    growth=st.none() | st.builds(BacklogGrowth, st.integers(-1000, 1000), st.floats(-1e5, 1e5)),
    outage=st.booleans(),
)


@given(facts_strategy)
def test_no_backlog_is_always_ok(facts: LagFacts) -> None:
    """Whatever else is known, a partition without a backlog is OK."""
    assert assess(replace(facts, incomplete=0)) is LagStatus.OK


@given(facts_strategy, seconds)
def test_more_silence_never_looks_better(facts: LagFacts, more: float) -> None:
    """If nothing was finished for longer still, the status stays or gets worse."""
    first = assess(facts)
    later = assess(replace(facts, silence=None if facts.silence is None else facts.silence + more))
    assert (first is None) == (later is None)
    assert first is None or later is None or later.level >= first.level


@given(facts_strategy, st.floats(0.1, 600), st.integers(1, JOBS))
def test_finishing_jobs_of_any_length_is_not_a_stall(facts: LagFacts, job: float, jobs: int) -> None:
    """Silence of as many jobs as one request may hold is not a stall, however old the backlog and long its jobs."""
    working = replace(facts, job_seconds=job, silence=jobs * job, silence_anywhere=jobs * job, members=1, outage=False)
    assert assess(working) not in {LagStatus.STALLED, LagStatus.STOPPED}


@given(facts_strategy)
def test_standing_still_is_noticed_whatever_is_ahead(facts: LagFacts) -> None:
    """If nothing moves anywhere for longer than the patience, a queue is no excuse."""
    bound = patience(facts.job_seconds) + 1
    still = replace(facts, incomplete=1, waited=bound, silence=bound, silence_anywhere=bound, members=3)
    assert assess(still) is LagStatus.STALLED


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], None),
        ([LagStatus.OK, LagStatus.OK], LagStatus.OK),
        ([LagStatus.OK, None], None),
        ([None, LagStatus.SLOW], LagStatus.SLOW),
        ([LagStatus.SLOW, LagStatus.STOPPED, LagStatus.STALLED], LagStatus.STOPPED),
    ],
)
def test_together_they_are_as_bad_as_the_worst(statuses: list[LagStatus | None], expected: LagStatus | None) -> None:
    """Unknown partitions hide no bad one, and an unknown one is not taken for OK."""
    assert worst(statuses) is expected
