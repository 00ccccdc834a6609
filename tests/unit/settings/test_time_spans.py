"""Time spans and points in time are parsed as they were meant, or refused with a sentence that shows how."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.settings.time_spans import parse_moment, parse_time_span, say_time_span

NOW = datetime(2031, 5, 17, 8, 0, tzinfo=UTC)
UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("90min", timedelta(minutes=90)),
        ("30m", timedelta(minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("1.5 h", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("2w", timedelta(weeks=2)),
        ("500ms", timedelta(seconds=0.5)),
        ("99999w", timedelta(weeks=99_999)),
        ("0s", timedelta()),
    ],
)
def test_a_time_span_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    """Every command takes the same units, and fractions of each."""
    assert parse_time_span(text) == span


@given(st.integers(0, 99_999), st.sampled_from(sorted(UNITS)))
def test_every_whole_number_of_units_is_exact(number: int, unit: str) -> None:
    """No unit loses precision to floating-point arithmetic."""
    assert parse_time_span(f"{number}{unit}") == timedelta(**{UNITS[unit]: number})


@given(st.decimals(0, 10_000, places=3), st.sampled_from(sorted(UNITS)))
def test_fractions_are_those_of_the_unit(number: object, unit: str) -> None:
    """A fraction counts to the microsecond."""
    expected = timedelta(**{UNITS[unit]: float(str(number))})

    assert abs(parse_time_span(f"{number} {unit}") - expected) <= timedelta(microseconds=1)


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,15}(\.[0-9]{1,8})?[a-z]{0,3}", fullmatch=True))
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    """Whatever is typed is a time span and a date when counted back from today, or a sentence shows the grammar."""
    try:
        span = parse_time_span(text)
    except ValueError as error:
        assert "such as 90s, 90min, 1.5h, 2d or 2w." in str(error)  # noqa: PT017 - only where it is refused
    else:
        assert parse_moment(text, NOW) == NOW - span


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "2 weeks", "2 hours", "1h30m", "100000w", "1\u0662h", "1.h"])
def test_other_time_spans_are_refused(text: str) -> None:
    """A unit is never guessed, and spans are not added up."""
    with pytest.raises(ValueError, match="a number and its unit"):
        parse_time_span(text)


MOMENTS = [
    ("2h", NOW - timedelta(hours=2)),
    ("90s", NOW - timedelta(seconds=90)),
    ("30m", NOW - timedelta(minutes=30)),
    ("1.5h", NOW - timedelta(minutes=90)),
    ("7d", NOW - timedelta(days=7)),
    ("99999w", NOW - timedelta(weeks=99999)),
    ("2031-05-17T08:00:00Z", NOW),
    ("2031-05-17T10:00:00+02:00", NOW),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_a_moment_is_an_age_or_iso_with_a_time_zone(text: str, moment: datetime) -> None:
    """An age counts back from now; a time of day says in which time zone."""
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    ["", "2031-05-17T08:00:00", "2031-05-17", "2 hours", "-2h", "h", "100000w", "1\u0662h", "0001-01-01T00:00+01:00"],
)
def test_any_other_moment_is_refused(text: str) -> None:
    """A time without its time zone would mean another hour on each machine, so it is not guessed."""
    with pytest.raises(ValueError, match="time zone"):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=3), "3 days"),
        (timedelta(hours=24), "1 day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=1.5), "1.5 seconds"),
    ],
)
def test_a_time_span_is_said_in_its_largest_whole_unit(span: timedelta, words: str) -> None:
    """Nobody reads 1 day, 12:00:00."""
    assert say_time_span(span) == words
