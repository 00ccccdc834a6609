"""Number the requests of a slot in the order in which they are accepted; a repeat keeps its number."""

import hashlib
import json

from consumer.delivery.heads import NO_HEAD, Claim, Head, Numbered

MOST_REMEMBERED = 32
"""Requests of one revision whose numbers are remembered; a repeat of an older one gets a new number."""

VARIATIONS = 1_000
"""Variations of a request, counted from 0."""


def accept(head: Head | None, claim: Claim) -> tuple[Head, Numbered]:
    """Return the slot's head with this request, and the request's number and variation. Pure.

    A newer revision becomes the slot's. One that does not supersede older requests leaves the head as it is.
    """
    before = head or NO_HEAD
    if not claim.supersedes:
        return before._replace(since=before.since or claim.time_ms), _next(before, claim)
    if head is not None and claim.revision <= head.revision:
        known = _recall(head, claim)
        return (head, known) if known else _append(head, claim)
    accepted = _next(before, claim)
    newer = before._replace(
        revision=claim.revision,
        source=claim.source,
        request_id=claim.request_id,
        ordinal=accepted.ordinal,
        first=0 if claim.variation is None else accepted.ordinal,
        variation=_remembered(before, claim, accepted),
        accepted=(accepted,) if claim.variation is None else (),
        since=before.since or claim.time_ms,
    )
    return newer, accepted


def forget_accepted(head: Head) -> Head:
    """Return the head after a decision: what is repeated from now on was accepted after it."""
    return head._replace(first=0, accepted=())


def _append(head: Head, claim: Claim) -> tuple[Head, Numbered]:
    accepted = _next(head, claim)
    return head._replace(
        ordinal=accepted.ordinal,
        variation=_remembered(head, claim, accepted),
        accepted=(*head.accepted, accepted)[-MOST_REMEMBERED:],
    ), accepted


def _next(head: Head, claim: Claim) -> Numbered:
    variation = (head.variation + 1) % VARIATIONS if claim.variation is None else claim.variation
    return Numbered(_event(claim), head.ordinal + 1, variation)


def _remembered(head: Head, claim: Claim, accepted: Numbered) -> int:
    """Return the variation after which regenerating goes on: a save without one does not go back."""
    return accepted.variation if claim.fresh or claim.variation else head.variation


def _recall(head: Head, claim: Claim) -> Numbered | None:
    event = _event(claim)
    if head.first and (claim.source, claim.request_id) == (head.source, head.request_id):
        return Numbered(event, head.first, claim.variation or 0)
    return next((accepted for accepted in head.accepted if accepted.event == event), None)


def _event(claim: Claim) -> str:
    return hashlib.sha256(json.dumps([claim.source, claim.request_id]).encode()).hexdigest()[:16]
