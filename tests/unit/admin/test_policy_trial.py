"""What another policy would have changed about past requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.admin import policy_trial
from consumer.admin.policy_trial import PolicyTrial
from consumer.admin.replay.source import OriginalRequest
from consumer.jobs import Record
from consumer.processing.policy.conditions import OneOf, SinceFirstSave
from consumer.processing.policy.decision import OlderSaves, PolicyDecision
from consumer.processing.policy.rules import PAINT_EVERYTHING, Policy, Rule
from schemas import ImageRequested
from schemas.cloudevents import Event
from schemas.names import IMAGE_RECROP_REQUESTED, IMAGE_REQUESTED
from schemas.recrop import ImageRecropRequested


def saved(article: str, seconds: float, *, variants: int = 1, section: str = "City", **fields: Any) -> OriginalRequest:
    data = {"article": {"id": article, "revision": int(seconds), "headline": "Harbour", "section": section}}
    request = ImageRequested.model_validate({**data, "output": {"variants": variants}, **fields})
    record = Record("requested", 0, int(seconds), article.encode(), b"", (), int(seconds * 1000))
    return OriginalRequest(record, (), Event(id="1", source="/cms", type=IMAGE_REQUESTED, data=data), request)


def trial_of(policy: Policy, *requests: OriginalRequest, in_force: Policy = PAINT_EVERYTHING) -> dict[str, Any]:
    trial = PolicyTrial(in_force, policy)
    for request in requests:
        trial.add(request)
    return trial.as_json()


def one_rule(section: str, **decision: Any) -> Policy:
    rule = Rule(section, (OneOf("section", [section]),), PolicyDecision(rule=section, **decision))
    return Policy("v1", (rule,), PolicyDecision(version="v1"))


def test_each_change_is_counted_with_examples() -> None:
    """From what to what, how often, and for which articles: each once, a few of them."""
    requests = [saved(f"a-{number}", number, section="War") for number in range(20)] + [saved("a-0", 30, section="War")]
    facts = trial_of(one_rule("War", never=True), *requests, saved("b", 31))
    assert (facts["requests"], facts["changed"]) == (22, 21)
    assert facts["changes"] == [
        {
            "from": "painted as requested",
            "to": "declined by War",
            "requests": 21,
            "articles": ["a-0", "a-1", "a-2", "a-3", "a-4"],
        }
    ]
    assert facts["tried"]["rules"] == {"War": 21, "no rule": 1}
    assert (facts["tried"]["declined"], facts["tried"]["pictures"]) == (21, 1)
    assert (facts["in_force"]["version"], facts["in_force"]["pictures"]) == (None, 22)


def test_what_changes_about_a_picture_is_told() -> None:
    """Style, number, approval: the words of the list of changes."""
    tried = one_rule("War", style="illustration", variants=2, needs_approval=True)
    facts = trial_of(tried, saved("a", 1, section="War"))
    assert facts["changes"][0]["to"] == "held by War, painted in the style illustration by War, 2 variants by War"
    assert (facts["tried"]["held"], facts["tried"]["pictures"]) == (1, 0)


def test_a_policy_beside_itself_changes_nothing() -> None:
    """The one in force is not always none."""
    policy = one_rule("War", never=True)
    facts = trial_of(policy, saved("a", 1, section="War"), saved("b", 2), in_force=policy)
    assert (facts["changed"], facts["changes"]) == (0, [])


def test_a_save_within_the_settle_time_spares_the_one_before() -> None:
    """A typist who saves every ten seconds costs one painting; one who waits longer, two."""
    policy = Policy("v1", (), PolicyDecision(settle_seconds=20))
    typist = [saved("a", 10 * number, variants=2) for number in range(1, 7)]
    facts = trial_of(policy, *typist, saved("a", 100), saved("b", 100))
    assert (facts["tried"]["pictures"], facts["tried"]["settled"]) == (4, 10)
    assert (facts["in_force"]["pictures"], facts["in_force"]["settled"]) == (14, 0)


def test_only_live_saves_wait() -> None:
    """The picture of an interactive request, or of a replayed one, is painted whatever comes after it."""
    policy = Policy("v1", (), PolicyDecision(settle_seconds=20))
    assert trial_of(policy, saved("a", 1, priority="interactive"), saved("a", 2))["tried"]["pictures"] == 2
    replayed = saved("a", 1)
    replayed = replace(replayed, record=replace(replayed.record, topic="news-article-image-backfill"))
    assert trial_of(policy, replayed, saved("a", 2))["tried"]["pictures"] == 2


@pytest.mark.parametrize(("older", "pictures"), [(OlderSaves.FINISH, 1), (OlderSaves.END, 0)])
def test_a_declined_save_ends_those_that_wait_only_if_the_rule_says_so(older: OlderSaves, pictures: int) -> None:
    """An autosave within the settle time of a real save leaves it its picture."""
    policy = replace(one_rule("Draft", never=True, older=older), otherwise=PolicyDecision(settle_seconds=20))
    facts = trial_of(policy, saved("a", 1), saved("a", 2, section="Draft"))
    assert facts["tried"]["pictures"] == pictures


def test_the_first_save_of_a_slot_is_remembered() -> None:
    """Rules about the time since then are tried, too."""
    rule = Rule("old", (SinceFirstSave(timedelta(hours=1)),), PolicyDecision(rule="old", never=True))
    facts = trial_of(Policy("v1", (rule,)), saved("a", 1), saved("a", 1800), saved("a", 3601))
    assert facts["tried"]["rules"] == {"no rule": 2, "old": 1}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many slots only those seen last are remembered."""
    monkeypatch.setattr(policy_trial, "_MOST_SLOTS", 3)
    trial = PolicyTrial(PAINT_EVERYTHING, PAINT_EVERYTHING)
    for number in range(10):
        trial.add(saved(f"a-{number}", number))
    assert [slot.article_id for slot in trial._slots] == ["a-7", "a-8", "a-9"]


def test_recrops_are_counted_apart() -> None:
    """They paint nothing, so no policy decides about them."""
    data = {"article": {"id": "a", "revision": 1}, "picture": {"sha256": "0" * 64}}
    original = saved("a", 1)
    event = Event(id="1", source="/cms", type=IMAGE_RECROP_REQUESTED, data=data)
    recrop = replace(original, event=event, request=ImageRecropRequested.model_validate(data))
    facts = trial_of(one_rule("City", never=True), recrop)
    assert (facts["requests"], facts["skipped"]) == (0, 1)
