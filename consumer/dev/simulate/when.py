"""Moments of local time as people write them, and time spans as they read them."""

import re
from datetime import datetime, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOMENT = re.compile(rf"({'|'.join(_DAYS)})\s+(\d\d):(\d\d)", re.IGNORECASE)


def moment(text: str, after: datetime) -> datetime:
    """Return a local time: the next such weekday and time after `after`, or a time in ISO 8601.

    Raises ValueError for anything else, and for a moment that is not after `after`.
    """
    usage = "write a weekday and a time, such as 'Monday 08:00', or a date and a time, such as 2026-11-30T08:00"
    match = _MOMENT.fullmatch(text.strip())
    try:
        if match is None:
            read = datetime.fromisoformat(text.strip())
            found = read.astimezone().replace(tzinfo=None) if read.tzinfo else read
        else:
            days = (_DAYS.index(match[1].lower()) - after.weekday()) % 7
            day = (after + timedelta(days=days)).replace(second=0, microsecond=0)
            found = day.replace(hour=int(match[2]), minute=int(match[3]))
            found += timedelta(days=7) if found <= after else timedelta()
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment: {usage}.") from error
    if found <= after:
        raise ValueError(f"{text!r} is not after {after:%Y-%m-%d %H:%M}.")
    return found


def spelled(seconds: float | None) -> str:
    """Return a time span as text: three digits below a minute, else its two largest units."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"
    if seconds < 3599.5:
        return _two(seconds, 60, "min", 1, "s")
    return _two(seconds, 3600, "h", 60, "min") if seconds < 604_800 else _two(seconds, 86_400, "d", 3600, "h")


def _two(seconds: float, large: int, name: str, small: int, below: str) -> str:
    count, rest = divmod(round(seconds / small) * small, large)
    return f"{count} {name} {rest // small} {below}" if rest else f"{count} {name}"
