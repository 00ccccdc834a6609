"""One policy taken apart: what its rules save, and what its settle time does."""

from __future__ import annotations

from dataclasses import replace

from consumer.processing.policy import NO_POLICY, PAINT_EVERYTHING, Policy, PolicyDecision


def taken_apart(policy: Policy) -> dict[str, Policy]:
    """Return the policies to compare: nothing, the rules without settle time, the settle time without rules, both."""
    return {
        "nothing": PAINT_EVERYTHING,
        "policy": _rules_only(policy),
        "settle": _settle_only(policy),
        "both": policy,
    }


def _rules_only(policy: Policy) -> Policy:
    rules = tuple(replace(rule, decision=_unsettled(rule.decision)) for rule in policy.rules)
    return replace(policy, rules=rules, otherwise=_unsettled(policy.otherwise))


def _settle_only(policy: Policy) -> Policy:
    otherwise = _waiting(policy.otherwise)
    rules = [replace(rule, decision=_waiting(rule.decision), instead_of_photorealistic=None) for rule in policy.rules]
    alike = all(rule.decision.settle_seconds == otherwise.settle_seconds for rule in rules)
    return replace(policy, rules=() if alike else tuple(rules), otherwise=otherwise)


def _unsettled(decision: PolicyDecision) -> PolicyDecision:
    return replace(decision, settle_seconds=0.0)


def _waiting(decision: PolicyDecision) -> PolicyDecision:
    return replace(NO_POLICY, settle_seconds=decision.settle_seconds)
