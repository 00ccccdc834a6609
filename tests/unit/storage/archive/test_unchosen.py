from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from consumer.jobs import PaintedFor
from consumer.storage import Manifest, RenditionManifest, stored_picture, stored_renditions
from consumer.storage.archive import UnchosenRule
from tests.support.samples import MADE, MASTER, ORDER, RECIPE

NOW = datetime(2026, 11, 30, tzinfo=UTC)
RULE = UnchosenRule(NOW - timedelta(days=30), frozenset(["thumb"]))
PICTURE = stored_picture(RECIPE, MASTER)


@pytest.mark.parametrize(
    ("variants", "days", "concerns"), [(9, 31, True), (2, 31, True), (1, 31, False), (9, 29, False), (9, 30, False)]
)
def test_a_sweep_concerns_old_offers(variants: int, days: int, *, concerns: bool) -> None:
    """One of several variants, painted longer ago than the age."""
    asked, created = PaintedFor("", 0, variants), NOW - timedelta(days=days)
    manifest = Manifest(recipe=RECIPE, picture=PICTURE, asked=asked, created=created, leadart="1.0")

    assert RULE.may_concern(manifest) is concerns
    assert not RULE.may_concern(manifest.model_copy(update={"asked": None}))


@pytest.mark.parametrize(
    ("sets", "choice"), [((), False), (("thumb",), False), (("thumb", "hero"), True), (("hero",), True)]
)
def test_more_than_the_thumb_is_a_choice(sets: tuple[str, ...], *, choice: bool) -> None:
    """Every variant gets its thumb; the full renditions only a picture that was asked for alone, or chosen."""
    manifest = RenditionManifest.of(PICTURE, ORDER, stored_renditions(MADE), NOW, "1.0")

    assert RULE.is_choice(manifest.model_copy(update={"sets": sets})) is choice
