"""Time spans and points in time as people write them: one grammar for every command. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EXAMPLES: Final = "90s, 90min, 1.5h, 2d or 2w"

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_TIME_SPAN: Final = re.compile(rf"([0-9]{{1,12}}(?:\.[0-9]{{1,6}})?) ?({'|'.join(_UNITS)})")
_SPOKEN: Final = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
_LONGEST: Final = timedelta(weeks=99_999)
"""Counted back from today it is still a date."""


def parse_time_span(text: str) -> timedelta:
    """Return a time span such as `90s`, `90min`, `1.5h`, `2d` or `2w`. Raises `ValueError` with a sentence."""
    match = _TIME_SPAN.fullmatch(text.strip())
    span = _span(float(match[1]), _UNITS[match[2]]) if match else None
    if span is None:
        raise ValueError(f"{text[:40]!a} is not a time span: write a number and its unit, such as {EXAMPLES}.")
    return span


def say_time_span(span: timedelta) -> str:
    """Return a time span in words and one unit, such as `3 days`, `36 hours` or `90 minutes`."""
    for unit, length in _SPOKEN.items():
        number = span / length
        if number >= 1 and number.is_integer():
            return f"{number:.0f} {unit}{'' if number == 1 else 's'}"
    return f"{span.total_seconds():g} seconds"


def parse_moment(text: str, now: datetime) -> datetime:
    """Return a point in time in UTC: ISO 8601 with a time zone, or an age before `now`. Raises `ValueError`."""
    try:
        return (now - parse_time_span(text)).astimezone(UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!a} is not a point in time: write it with its time zone, such as 2031-05-17T08:00:00Z, or as "
            f"an age, such as {EXAMPLES}."
        ) from None
    raise ValueError(f"{text[:40]!a} has no time zone: write {text[:40]}Z for UTC, or add an offset such as +02:00.")


def _span(number: float, unit: timedelta) -> timedelta | None:
    return number * unit if number <= _LONGEST / unit else None
