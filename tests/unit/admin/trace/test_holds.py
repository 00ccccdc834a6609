"""What holds a request though nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.admin.trace.holds import Holds, RequestHold
from consumer.delivery.controls import NO_CONTROLS, Controls, Selector
from consumer.delivery.editorial import Choice, Editorial, Withdrawal
from consumer.delivery.heads import NO_HEAD, Head
from consumer.jobs import Record
from consumer.processing.policy import Policy, PolicyDecision
from consumer.processing.policy.conditions import OneOf, SinceFirstSave
from consumer.processing.policy.rules import Rule
from schemas import ImageRequested, names
from schemas.editorial import ImageChosen

RECORD = Record(names.REQUESTED, 0, 7, b"a-1", b"", (), 100_000)
SECTION = Selector(section="sports")
PAUSED = NO_CONTROLS.pause(SECTION, 9)
NEVER = Rule("war", (OneOf("section", ["war"]),), PolicyDecision(rule="war", never=True, settle_seconds=20))
LATER = Rule("later", (SinceFirstSave(),), PolicyDecision(rule="later", settle_seconds=5))
POLICY = Policy(rules=(NEVER,), otherwise=PolicyDecision(settle_seconds=20))
CHOICE = Choice(decision=ImageChosen.model_validate({"article": {"id": "a-1", "revision": 1}, "external": True}))


def request(section: str = "sports", **parts: Any) -> ImageRequested:
    article = {"id": "a-1", "revision": 1, "headline": "Storm", "section": section}
    return ImageRequested.model_validate({"article": article, **parts})


@pytest.mark.parametrize(
    ("controls", "hold"),
    [
        (NO_CONTROLS, RequestHold(settles_ms=120_000)),
        (PAUSED, RequestHold(paused_ms=9)),
        (PAUSED.cancel(SECTION, {names.REQUESTED: 8}, 9), RequestHold(called_off=True)),
        (NO_CONTROLS.cancel(SECTION, {names.REQUESTED: 7}, 9), RequestHold(settles_ms=120_000)),
    ],
)
def test_operators_come_before_the_settle_time(controls: Controls, hold: RequestHold) -> None:
    """What is called off need not be resumed, and what is paused does not settle."""
    assert Holds(controls, POLICY).on(RECORD, RECORD, request(), "/cms") == hold


@pytest.mark.parametrize(
    ("read", "asked"),
    [
        (RECORD, request(priority="interactive")),
        (replace(RECORD, topic=names.RETRY_1M), request()),
        (RECORD, request("war")),
    ],
)
def test_only_a_live_save_that_is_painted_settles(read: Record, asked: ImageRequested) -> None:
    """Neither an editor's request nor a retry, nor one that the policy declines."""
    assert Holds(policy=POLICY).on(read, RECORD, asked, "/cms") == RequestHold()


@pytest.mark.parametrize(
    ("head", "settles_ms"),
    [
        (NO_HEAD, 120_000),
        (NO_HEAD._replace(editorial=Editorial(choice=CHOICE)), 0),
        (NO_HEAD._replace(editorial=Editorial(withdrawal=Withdrawal(source="/cms", request_id="w"))), 0),
    ],
)
def test_a_save_of_a_slot_that_an_editor_decided_about_does_not_settle(head: Head, settles_ms: int) -> None:
    """It is answered at once: no policy is asked about it."""
    holds = Holds(policy=POLICY, heads={"hero": head})

    assert holds.on(RECORD, RECORD, request(), "/cms").settles_ms == settles_ms


def test_a_replay_does_not_settle() -> None:
    """Only a typist saves again within seconds."""
    record = replace(RECORD, topic=names.BACKFILL)

    assert Holds(policy=POLICY).on(record, record, request(), "/cms") == RequestHold()


def test_the_first_save_counts() -> None:
    """A rule by the time since then is asked with what the slot's head remembers."""
    old = replace(LATER, conditions=(SinceFirstSave(at_least=timedelta(seconds=50)),))
    holds = Holds(policy=Policy(rules=(old,)), heads={"hero": NO_HEAD._replace(since=40_000)})

    assert holds.on(RECORD, RECORD, request(), "/cms").settles_ms == 105_000
    assert replace(holds, heads={}).on(RECORD, RECORD, request(), "/cms").settles_ms == 0
