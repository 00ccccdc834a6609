"""What became of each request: its record, its retries, its outcome and its dead letter put together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consumer.admin.trace.timeline import (
    Place,
    RecordState,
    Timeline,
    TracedDeadLetter,
    TracedOutcome,
    TracedRequest,
)
from schemas import OutcomeKind

CHOSEN: Final = "image-chosen"
APPROVED: Final = "image-approved"
WITHDRAWN: Final = "withdrawn"
RESTORED: Final = "restored"
"""Kinds of an editor's decisions, as `TracedRequest.kind` has them."""


@dataclass(frozen=True, slots=True)
class TracedWork:
    """One request as published once: its first known record, its last one, and what came of it so far.

    `released`: of an approval, the end of the held request that it let go on.
    """

    request: TracedRequest
    last: TracedRequest
    outcome: TracedOutcome | None
    letter: TracedDeadLetter | None
    released: TracedOutcome | None = None

    @property
    def slot(self) -> str | None:
        """Its slot; None if that cannot be read, or if it is about a whole article."""
        return self.request.slot or (self.outcome.slot if self.outcome else None)

    @property
    def revision(self) -> int | None:
        """Its revision, None if that cannot be read."""
        return self.request.revision

    @property
    def is_silent(self) -> bool:
        """Whether it took effect without an outcome of its own, as a restoration and an approval do."""
        finished = self.last.standing.state is RecordState.FINISHED or self.released is not None
        return finished and self.outcome is None and self.request.kind in {APPROVED, RESTORED}


def collect_works(timeline: Timeline) -> list[TracedWork]:
    """Return the requests of a timeline in the order in which they were published."""
    records: defaultdict[Place, list[TracedRequest]] = defaultdict(list)
    for record in timeline.requests:
        records[record.origin].append(record)
    chains = sorted(records.values(), key=lambda chain: (chain[0].ms, chain[0].place))
    answers: defaultdict[str, list[TracedOutcome]] = defaultdict(list)
    for outcome in timeline.outcomes:
        answers[outcome.request_id].append(outcome)
    letters = {letter.origin: letter for letter in timeline.letters}
    works: list[TracedWork] = []
    next_ms: dict[str, int] = {}
    for chain in reversed(chains):
        first, name = chain[0], chain[0].request_id
        outcome_of = _outcome_of(chain, answers[name], next_ms.get(name))
        released = _released(first, timeline.outcomes) if first.kind == APPROVED else None
        works.append(TracedWork(first, chain[-1], outcome_of, letters.get(first.origin), released))
        next_ms[name] = first.ms
    return works[::-1]


def _released(approval: TracedRequest, outcomes: Sequence[TracedOutcome]) -> TracedOutcome | None:
    """Return the end of the held request that an approval let go on, if that has come."""
    of_held = [one for one in outcomes if (one.slot, one.revision) == (approval.slot, approval.revision)]
    held = {one.request_id for one in of_held if one.kind == OutcomeKind.HELD}
    ends = (one for one in of_held if one.request_id in held and one.kind != OutcomeKind.HELD)
    return next((end for end in ends if end.ms >= approval.ms), None)


def _outcome_of(
    chain: Sequence[TracedRequest], answers: Sequence[TracedOutcome], again_ms: int | None
) -> TracedOutcome | None:
    """Return the last outcome between this publication of a request and the next one, if it was published `again_ms`.

    Of what is finished any other outcome is better than none: the clocks of a CMS and of a worker differ.
    """
    between = [one for one in answers if one.ms >= chain[0].ms and (again_ms is None or one.ms < again_ms)]
    if between:
        return between[-1]
    return answers[-1] if answers and chain[-1].standing.state is RecordState.FINISHED else None
