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

CHOSEN: Final = "image-chosen"
APPROVED: Final = "image-approved"
WITHDRAWN: Final = "withdrawn"
RESTORED: Final = "restored"
"""Kinds of an editor's decisions, as `TracedRequest.kind` has them."""


@dataclass(frozen=True, slots=True)
class TracedWork:
    """One request as published once: its first known record, its last one, and what came of it so far."""

    request: TracedRequest
    last: TracedRequest
    outcome: TracedOutcome | None
    letter: TracedDeadLetter | None

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
        finished = self.last.standing.state is RecordState.FINISHED
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
        works.append(TracedWork(first, chain[-1], outcome_of, letters.get(first.origin)))
        next_ms[name] = first.ms
    return works[::-1]


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
