"""What a record cannot tell by itself is told by the others."""

from __future__ import annotations

from dataclasses import replace

from consumer.admin.trace.assembly import traced_outcomes
from tests.support.announcements import record
from tests.support.timelines import asked


def test_an_outcome_that_lets_go_is_told_by_its_request() -> None:
    """It looks like any picture that was there before; the event says that the editor let go."""
    records = [record("ready", request=f"r-{number}", reused=True, ms=number) for number in (2, 1)]
    letting_go = replace(asked(2, kind="image-chosen"), lets_go=True)

    assert [one.result for one in traced_outcomes(records, [asked(1), letting_go])] == [
        "0 pictures, reused",
        "0 pictures, no longer chosen",
    ]
