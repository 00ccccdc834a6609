"""Screening: the site's editorial policy is asked about a request before anything is painted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from consumer.delivery.ruling import Ruling, Verdict
from consumer.jobs import Job
from consumer.processing.policy import NO_POLICY, PAINT_EVERYTHING, OlderSaves, Policy, PolicyDecision
from schemas import ImageRequested

_PAINTED: Final = frozenset({Verdict.PAINT, Verdict.OFFER})


class Screening:
    """Asks the policy in force at that moment."""

    def __init__(self, policy: Callable[[], Policy] = lambda: PAINT_EVERYTHING) -> None:
        self._policy = policy

    def decide(self, job: Job, ruling: Ruling) -> PolicyDecision:
        """Return what the policy says of a job on which the owner ruled so; of what paints nothing it says nothing."""
        request = job.request
        if not isinstance(request, ImageRequested) or ruling.verdict not in _PAINTED:
            return NO_POLICY
        return self._policy().decide(request, job.event.source, ruling.since or None, job.record.timestamp_ms)


def supersedes(decision: PolicyDecision) -> bool:
    """Return whether a request of which this was decided ends older ones of its slot."""
    return not (decision.never and decision.older is OlderSaves.FINISH)


def applied(decision: PolicyDecision, job: Job) -> Job:
    """Return the job as the policy wants it painted."""
    if not isinstance(job.request, ImageRequested):
        return job
    return replace(job, request=decision.applied_to(job.request))
