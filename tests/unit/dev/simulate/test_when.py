"""Moments of local time as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from consumer.dev.simulate.when import moment

TUESDAY = datetime(2026, 11, 24, 20, 0)  # noqa: DTZ001 - local time, as people write deadlines


@pytest.mark.parametrize(
    ("text", "day", "hour"),
    [("Monday 08:00", 30, 8), ("tuesday 21:30", 24, 21), ("2026-11-28T06:00", 28, 6)],
)
def test_the_next_such_moment_is_meant(text: str, day: int, hour: int) -> None:
    """A weekday is the next one, today included while its time is still to come."""
    found = moment(text, TUESDAY)

    assert (found.month, found.day, found.hour) == (11, day, hour)


def test_a_weekday_whose_time_is_over_is_next_weeks() -> None:
    """On Tuesday at 20:00, Tuesday 08:00 is a week off but for twelve hours."""
    assert moment("Tuesday 08:00", TUESDAY) == datetime(2026, 12, 1, 8, 0)  # noqa: DTZ001 - local time


@pytest.mark.parametrize("text", ["Mon", "Monday", "Monday 25:00", "tomorrow", "2026-13-01T00:00"])
def test_other_moments_are_refused(text: str) -> None:
    """Anything else is refused with a sentence that shows how it is written."""
    with pytest.raises(ValueError, match="Monday 08:00"):
        moment(text, TUESDAY)


def test_what_is_over_is_no_deadline() -> None:
    """A date in the past is refused."""
    with pytest.raises(ValueError, match="is not after 2026-11-24 20:00"):
        moment("2026-11-23T08:00", TUESDAY)
