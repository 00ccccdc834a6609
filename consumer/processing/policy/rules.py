"""A site's editorial policy: ordered rules, of which the first that matches decides. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from consumer.processing.policy.conditions import Condition, RequestFacts
from consumer.processing.policy.decision import NO_POLICY, PolicyDecision
from consumer.processing.styles import DEFAULT
from schemas import ImageRequested


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all `conditions` must be met for its `decision`.

    `instead_of_photorealistic` is the style that replaces photorealistic ones, None: they stand.
    """

    name: str
    conditions: tuple[Condition, ...]
    decision: PolicyDecision
    instead_of_photorealistic: str | None = None

    def why(self, facts: RequestFacts) -> tuple[str, ...] | None:
        """Return what meets each condition, in words; None if one is not met."""
        found: list[str] = []
        for condition in self.conditions:
            if (what := condition.met(facts)) is None:
                return None
            found.append(what)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force. `otherwise` holds where none matches.

    `version` is the file's label and a digest of the file and its lists; `files` are those it was read from.
    `photorealistic` names the styles whose pictures may be taken for photographs.
    """

    version: str = ""
    rules: tuple[Rule, ...] = ()
    otherwise: PolicyDecision = NO_POLICY
    photorealistic: Collection[str] = frozenset()
    files: tuple[Path, ...] = ()

    def decide(self, request: ImageRequested, source: str, first_seen_ms: int | None, now_ms: int) -> PolicyDecision:
        """Return what is to become of a request of that event source.

        `first_seen_ms` is when the slot's first request was written, None for one without an earlier request; it and
        `now_ms` are in milliseconds since 1970. Equal arguments have equal decisions.
        """
        seconds = 0.0 if first_seen_ms is None else max(0, now_ms - first_seen_ms) / 1000
        decision, _why = self.explain(RequestFacts(request, source, seconds))
        return decision

    def explain(self, facts: RequestFacts) -> tuple[PolicyDecision, tuple[str, ...]]:
        """Return the decision, and what of the request meets the rule's conditions: with text of the article."""
        for rule in self.rules:
            if (why := rule.why(facts)) is not None:
                return self._decision(rule, facts), why
        return self.otherwise, ()

    def _decision(self, rule: Rule, facts: RequestFacts) -> PolicyDecision:
        asked = facts.request.style.preset or DEFAULT
        if rule.instead_of_photorealistic is None or asked not in self.photorealistic:
            return rule.decision
        return replace(rule.decision, style=rule.instead_of_photorealistic)


PAINT_EVERYTHING = Policy()
"""The policy of a site that has none."""
