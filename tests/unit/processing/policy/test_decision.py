"""What a decision changes about a request."""

from __future__ import annotations

from consumer.processing.policy.decision import NO_POLICY, PolicyDecision
from schemas import ImageRequested

REQUEST = ImageRequested.model_validate(
    {
        "article": {"id": "a-1", "revision": 1, "headline": "Harbour"},
        "output": {"variants": 4, "width": 640},
        "style": {"preset": "photorealistic"},
    }
)


def test_style_and_variants_replace_the_requests_own() -> None:
    """All else of the request stays."""
    changed = PolicyDecision(style="illustration", variants=2).applied_to(REQUEST)
    assert (changed.style.preset, changed.output.variants, changed.output.width) == ("illustration", 2, 640)
    assert changed.article == REQUEST.article


def test_a_decision_without_either_changes_nothing() -> None:
    """The request itself is returned."""
    assert NO_POLICY.applied_to(REQUEST) is REQUEST
