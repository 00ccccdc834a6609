"""`schemas.compatibility`: made-up changes, each judged as it should be."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonsubschema import isSubschema

from schemas import names
from schemas.compatibility import (
    FORGETS_HISTORY,
    REFUSES_PUBLISHERS,
    SAME,
    SURPRISES_SUBSCRIBERS,
    WORKERS_FIRST,
    CompatibilityVerdict,
    judge_announcement,
    judge_request,
)
from schemas.fields import ARTICLE_ID_PATTERN, ARTICLE_ID_PATTERN_WITHOUT_JOINERS
from schemas.publish import Schema, event_schemas

pytestmark = pytest.mark.slow

REQUEST = event_schemas()[names.IMAGE_REQUESTED]
READY = event_schemas()[names.IMAGE_READY]


def set_at(path: str, value: object) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        *parents, last = path.split("/")
        node: Any = schema
        for parent in parents:
            node = node[int(parent) if isinstance(node, list) else parent]
        node[last] = value

    return change


def after(schema: Schema, change: Callable[[Schema], None]) -> Schema:
    new = copy.deepcopy(schema)
    change(new)
    return new


WIDTH = "$defs/Output/properties/width/anyOf/0"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (set_at("properties/mood", {"type": "string"}), WORKERS_FIRST),
        (set_at(f"{WIDTH}/maximum", 4096), WORKERS_FIRST),
        (set_at("$defs/Priority/enum", ["interactive", "normal", "low"]), WORKERS_FIRST),
        (set_at("$defs/Article/required", ["id"]), WORKERS_FIRST),
        (set_at("required", ["article", "priority"]), REFUSES_PUBLISHERS),
        (set_at(f"{WIDTH}/maximum", 1024), REFUSES_PUBLISHERS),
        (set_at(f"{WIDTH}/multipleOf", 32), REFUSES_PUBLISHERS),
        (set_at(f"{WIDTH}/type", "string"), REFUSES_PUBLISHERS),
        (set_at("$defs/Priority/enum", ["normal"]), REFUSES_PUBLISHERS),
        (set_at("$defs/Article/properties/headline/anyOf", [{"type": "string", "maxLength": 500}]), REFUSES_PUBLISHERS),
        (set_at("$defs/Article/properties/id/pattern", "^[a-z]+$"), REFUSES_PUBLISHERS),
        (set_at("$defs/Article/properties/id/maxLength", 100), REFUSES_PUBLISHERS),
        (set_at("$defs/Article/properties/author/anyOf/0/pattern", "^[A-Z]"), REFUSES_PUBLISHERS),
        (set_at("$defs/Output/properties/slot/anyOf", [{"type": "string"}, {"type": "null"}]), WORKERS_FIRST),
        (set_at("anyOf", [{"required": ["brief"]}]), REFUSES_PUBLISHERS),
    ],
)
def test_changes_of_what_is_accepted(change: Callable[[Schema], None], verdict: CompatibilityVerdict) -> None:
    """Accepting more needs the workers first; accepting less would need every publisher first, which is breaking."""
    assert judge_request(REQUEST, after(REQUEST, change), isSubschema) == verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (set_at("properties/mood", {"type": "string"}), WORKERS_FIRST),
        (set_at("properties/alt/type", ["string", "null"]), SURPRISES_SUBSCRIBERS),
        (set_at("$defs/ReadyPicture/properties/bytes/type", "string"), SURPRISES_SUBSCRIBERS),
        (set_at("required", [name for name in READY["required"] if name != "alt"]), SURPRISES_SUBSCRIBERS),
        (set_at("properties/variation/maximum", 9999), SURPRISES_SUBSCRIBERS),
        (set_at("properties/variation/maximum", 9), FORGETS_HISTORY),
    ],
)
def test_changes_of_what_is_announced(change: Callable[[Schema], None], verdict: CompatibilityVerdict) -> None:
    """A new field is compatible; a weaker guarantee breaks subscribers, a stronger one contradicts earlier events."""
    assert judge_announcement(READY, after(READY, change), isSubschema) == verdict


def test_a_pattern_that_was_widened_on_purpose_breaks_nobody() -> None:
    """An article id is the publisher's own: only one that writes joiners gets them back."""
    assert judge_request(without_joiners(REQUEST), REQUEST, isSubschema) == WORKERS_FIRST
    assert judge_announcement(without_joiners(READY), READY, isSubschema) == WORKERS_FIRST


def without_joiners(schema: Schema) -> Schema:
    new, old = json.dumps(ARTICLE_ID_PATTERN), json.dumps(ARTICLE_ID_PATTERN_WITHOUT_JOINERS)
    released: Schema = json.loads(json.dumps(schema).replace(new, old))
    assert released != schema
    return released


def test_a_new_required_field_forgets_history() -> None:
    """Earlier outcomes lack it, and subscribers that validate with the new schema still read them."""
    new = after(READY, set_at("properties/mood", {"type": "string"}))
    new["required"] = [*new["required"], "mood"]
    assert judge_announcement(READY, new, isSubschema) == FORGETS_HISTORY


def test_the_same_is_the_same() -> None:
    """Nothing changed, nothing to deploy."""
    assert judge_request(REQUEST, copy.deepcopy(REQUEST), isSubschema) == SAME
    assert judge_announcement(READY, copy.deepcopy(READY), isSubschema) == SAME


@pytest.mark.parametrize("verdict", [REFUSES_PUBLISHERS, SURPRISES_SUBSCRIBERS, FORGETS_HISTORY, WORKERS_FIRST])
def test_every_verdict_says_who_is_deployed_first(verdict: CompatibilityVerdict) -> None:
    """The sentence is what a developer sees when the check fails."""
    assert "deploy" in verdict.sentence.lower()
