"""The first rule whose conditions are all met decides."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.policy.conditions import RequestFacts
from consumer.processing.policy.decision import NO_POLICY, PolicyDecision
from consumer.processing.policy.rules import PAINT_EVERYTHING, Policy, Rule
from schemas import Article, ImageRequested
from schemas.requested import Style

REQUEST = ImageRequested(article=Article(id="a-1", revision=1, headline="Harbour"))


@dataclass(frozen=True)
class Fixed:
    """A condition that is met or not, whatever the request."""

    holds: bool

    def met(self, facts: RequestFacts) -> str | None:
        return f"{facts.request.article.id} holds" if self.holds else None


def rule(name: str, conditions: list[bool]) -> Rule:
    return Rule(name, tuple(map(Fixed, conditions)), PolicyDecision(rule=name, never=True, message=name))


@given(st.lists(st.lists(st.booleans(), max_size=3), max_size=6))
def test_the_first_match_wins(conditions: list[list[bool]]) -> None:
    """Whatever the rules below say; without a match, what holds otherwise."""
    policy = Policy("v", tuple(rule(str(place), each) for place, each in enumerate(conditions)))
    first = next((str(place) for place, each in enumerate(conditions) if all(each)), None)
    assert policy.decide(REQUEST, "/cms", None, 0).rule == first


@given(st.lists(st.lists(st.booleans(), max_size=3), min_size=1, max_size=6), st.data())
def test_rules_below_the_one_that_matches_change_nothing(conditions: list[list[bool]], data: st.DataObject) -> None:
    """Adding to a policy's end leaves every request that was decided as it was."""
    rules = tuple(rule(str(place), each) for place, each in enumerate(conditions))
    cut = data.draw(st.integers(0, len(rules)))
    before = Policy("v", rules[:cut]).decide(REQUEST, "/cms", None, 0)
    if before.rule is not None:
        assert Policy("v", rules).decide(REQUEST, "/cms", None, 0) == before


def test_every_condition_is_explained() -> None:
    """An editor sees all that made the rule hold."""
    decision, why = Policy("v", (rule("both", [True, True]),)).explain(RequestFacts(REQUEST))
    assert decision.rule == "both"
    assert why == ("a-1 holds", "a-1 holds")


def test_only_photorealistic_styles_are_replaced() -> None:
    """A drawing stays the drawing that was asked for; the site's default counts as what it is."""
    war = Rule("war", (), PolicyDecision(rule="war"), "illustration")
    policy = Policy("v", (war,), photorealistic=frozenset({"photo"}))

    def style(preset: str | None, rules: Policy = policy) -> str | None:
        asked = REQUEST.model_copy(update={"style": Style(preset=preset)})
        return rules.decide(asked, "/cms", None, 0).style

    assert (style("photo"), style("anime"), style(None)) == ("illustration", None, None)
    assert style(None, Policy("v", (war,), photorealistic=frozenset({"default"}))) == "illustration"


def test_without_a_policy_everything_is_painted_as_requested() -> None:
    """No rule, no wait, no version."""
    assert PAINT_EVERYTHING.decide(REQUEST, "/cms", None, 0) == NO_POLICY
