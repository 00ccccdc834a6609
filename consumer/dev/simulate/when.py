"""Moments of local time as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOMENT = re.compile(rf"({'|'.join(_DAYS)})\s+(\d\d):(\d\d)", re.IGNORECASE)


def moment(text: str, after: datetime) -> datetime:
    """Return a moment of local time: the next such weekday and time after `after`, or what ISO 8601 says.

    Raises ValueError for what is neither, and for a moment that is not after it.
    """
    told = "write a weekday and a time, such as 'Monday 08:00', or a date and a time, such as 2026-11-30T08:00"
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
        raise ValueError(f"{text!r} is no moment: {told}.") from error
    if found <= after:
        raise ValueError(f"{text!r} is not after {after:%Y-%m-%d %H:%M}.")
    return found
