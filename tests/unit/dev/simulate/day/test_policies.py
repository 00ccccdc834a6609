"""A policy taken apart into its rules and its settle time."""

from __future__ import annotations

from pathlib import Path

from consumer.dev.simulate.day.policies import taken_apart
from consumer.processing.policy import NO_POLICY, PAINT_EVERYTHING, Policy, PolicyDecision, load_policy
from consumer.processing.policy.conditions import OneOf
from consumer.processing.policy.rules import Rule
from consumer.processing.styles import load_styles
from schemas import Article, ImageRequested

NEVER = PolicyDecision("drafts", "No.", never=True, settle_seconds=20.0)
REQUEST = ImageRequested(article=Article(id="a", revision=1, headline="Storm", status="draft"))


def decided(policy: Policy) -> PolicyDecision:
    return policy.decide(REQUEST, "/cms", None, 0)


def test_rules_and_settle_time_part() -> None:
    """One policy has the rules and waits for nothing, the other waits and has no rule; both is the policy itself."""
    policy = Policy("v", (Rule("drafts", (OneOf("status", ["draft"]),), NEVER),), PolicyDecision(settle_seconds=20.0))
    parts = taken_apart(policy)

    assert parts["nothing"] is PAINT_EVERYTHING
    assert (decided(parts["policy"]).never, decided(parts["policy"]).settle_seconds) == (True, 0.0)
    assert (decided(parts["settle"]).never, decided(parts["settle"]).settle_seconds) == (False, 20.0)
    assert parts["both"] is policy


def test_a_rule_s_own_settle_time_stays() -> None:
    """Where rules wait differently, the settle time alone still asks which of them matches."""
    policy = Policy("v", (Rule("drafts", (OneOf("status", ["draft"]),), NEVER, "illustration"),), NO_POLICY)
    settle = taken_apart(policy)["settle"]

    assert decided(settle) == PolicyDecision(settle_seconds=20.0)
    assert settle.otherwise == NO_POLICY


def test_the_shipped_policy_waits_alike() -> None:
    """So its settle time alone looks at no words."""
    assert taken_apart(load_policy(Path("newsroom"), load_styles()))["settle"].rules == ()
