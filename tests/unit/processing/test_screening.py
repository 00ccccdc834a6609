"""The policy is asked about what would be painted, and about nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from consumer.delivery.ruling import Ruling, Verdict
from consumer.processing.policy import NO_POLICY, OlderSaves, Policy, PolicyDecision
from consumer.processing.policy.conditions import OneOf, SinceFirstSave
from consumer.processing.policy.rules import Rule
from consumer.processing.screening import Screening, applied, supersedes
from schemas import ImageRequested
from tests.support.pipeline import job, recrop

NEVER = PolicyDecision(rule="cms", never=True, message="No.", version="v1")


def screening(rule: Rule) -> Screening:
    return Screening(lambda: Policy("v1", (rule,)))


@pytest.mark.parametrize("verdict", Verdict)
def test_what_paints_nothing_is_not_screened(verdict: Verdict) -> None:
    """An editor's choice is kept, and a withdrawn slot stays so, whatever the rules say."""
    decision = screening(Rule("cms", (), NEVER)).decide(job(), Ruling(verdict))
    assert decision == (NEVER if verdict in {Verdict.PAINT, Verdict.OFFER} else NO_POLICY)


def test_a_recrop_is_not_screened() -> None:
    """It paints nothing, and stays the job that it is."""
    cropped = recrop(picture={"sha256": "0" * 64})
    assert screening(Rule("cms", (), NEVER)).decide(cropped, Ruling(Verdict.PAINT)) == NO_POLICY
    assert applied(PolicyDecision(variants=3), cropped) is cropped


def test_a_rule_sees_the_events_source() -> None:
    """Which CMS asks is no part of the request."""
    screen = screening(Rule("cms", (OneOf("source", ["/cms"]),), NEVER))
    asked = job()
    assert screen.decide(asked, Ruling(Verdict.PAINT)).never
    other = replace(asked, event=replace(asked.event, source="/wire"))
    assert not screen.decide(other, Ruling(Verdict.PAINT)).never


def test_a_rule_sees_the_time_since_the_slots_first_request() -> None:
    """From when that was written to when this one was; nothing is remembered of the first itself."""
    screen = screening(Rule("old", (SinceFirstSave(timedelta(hours=1)),), NEVER))
    asked = job()
    late = replace(asked, record=replace(asked.record, timestamp_ms=5_000_000))
    assert not screen.decide(late, Ruling(Verdict.PAINT)).never
    assert not screen.decide(late, Ruling(Verdict.PAINT, since=4_000_000)).never
    assert screen.decide(late, Ruling(Verdict.PAINT, since=1_400_000)).never


def test_a_decision_is_applied_to_the_request_of_the_job() -> None:
    """Style and number of variants are the policy's, the event is the publisher's."""
    asked = job()
    changed = applied(PolicyDecision(style="illustration", variants=2), asked)
    assert isinstance(changed.request, ImageRequested)
    assert (changed.request.style.preset, changed.request.output.variants) == ("illustration", 2)
    assert changed.event is asked.event


def test_only_a_declined_request_may_leave_older_ones_alone() -> None:
    """An autosave does not take away the picture of the save before it."""
    assert supersedes(NO_POLICY)
    assert supersedes(NEVER)
    assert not supersedes(replace(NEVER, older=OlderSaves.FINISH))
    assert supersedes(PolicyDecision(older=OlderSaves.FINISH))
