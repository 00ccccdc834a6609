"""What a simulated day counts: how each request ends, what was painted, and how long people waited."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from consumer.dev.simulate.day.stories import Save
from consumer.dev.simulate.tally import quantile


class SaveEnd(StrEnum):
    """How a request ends; each ends in one way."""

    DECLINED = "declined"
    HELD = "held"
    SETTLED = "settled"
    """Superseded while it waited for a newer save."""
    SUPERSEDED = "superseded_before_painting"
    INTERRUPTED = "superseded_while_painting"
    KEPT = "kept"
    """Answered with the picture that an editor had chosen."""
    REUSED = "same_picture"
    """Answered with pictures that were there, or were being painted, for the same text."""
    PAINTED = "painted"


WITH_PICTURE = frozenset({SaveEnd.KEPT, SaveEnd.REUSED, SaveEnd.PAINTED})


@dataclass
class Waits:
    """Seconds from requests to their pictures."""

    seconds: array[float] = field(default_factory=lambda: array("d"))

    def quantile(self, share: float) -> float | None:
        """Return the wait that `share` of them do not exceed; None without any."""
        return quantile(self.seconds, share)


@dataclass
class DayTally:
    """A day under one policy. `pictures` were painted whole; `final` are the stories' last published saves."""

    ends: Counter[SaveEnd] = field(default_factory=Counter)
    interactive_ends: Counter[SaveEnd] = field(default_factory=Counter)
    final_ends: Counter[SaveEnd] = field(default_factory=Counter)
    pictures: int = 0
    gpu_seconds: float = 0.0
    choices: int = 0
    interactive: Waits = field(default_factory=Waits)
    final: Waits = field(default_factory=Waits)

    def add(self, save: Save, end: SaveEnd, seconds: float) -> None:
        """Count a request that ended so long after it was made."""
        self.ends[end] += 1
        if save.interactive:
            self.interactive_ends[end] += 1
        if save.final:
            self.final_ends[end] += 1
        if end in WITH_PICTURE:
            for waits, counts in ((self.interactive, save.interactive), (self.final, save.final)):
                if counts:
                    waits.seconds.append(seconds)
