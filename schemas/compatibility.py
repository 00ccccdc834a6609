"""Whether the current schemas are compatible with the released ones, and who has to be deployed first.

A reader is compared by its open schema, a writer by its closed one, because a writer writes only what its models name.
So a new optional field is compatible, although the open schema allowed any value in its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from schemas.fields import ARTICLE_ID_PATTERN, ARTICLE_ID_PATTERN_WITHOUT_JOINERS
from schemas.publish import Schema, closed, opened

Subset = Callable[[Schema, Schema], bool]
"""Returns whether the second schema allows everything that the first does, as `jsonsubschema.isSubschema` does."""


@dataclass(frozen=True, slots=True)
class CompatibilityVerdict:
    """Whether a change is breaking, and a sentence that says for whom and what to do."""

    breaking: bool
    sentence: str


SAME = CompatibilityVerdict(breaking=False, sentence="Nothing changed.")
WORKERS_FIRST = CompatibilityVerdict(
    breaking=False,
    sentence="Deploy the workers first; publishers and subscribers may use new fields once all workers run it.",
)
REFUSES_PUBLISHERS = CompatibilityVerdict(
    breaking=True,
    sentence="The new workers refuse requests that the released contract allows, so every publisher would have to be "
    "deployed first: take the restriction back, or add a type `.v2` beside `.v1`.",
)
SURPRISES_SUBSCRIBERS = CompatibilityVerdict(
    breaking=True,
    sentence="The new workers write events that the released schema refuses, so every subscriber would have to be "
    "deployed first: keep the released guarantees, or announce a type `.v2` beside `.v1` for a while.",
)
FORGETS_HISTORY = CompatibilityVerdict(
    breaking=True,
    sentence="The new schema refuses events that are still in the topics; no order of deployment helps: make new "
    "fields optional (a default in the model, not in the schema's `required`).",
)


WIDENED: Final = {
    ARTICLE_ID_PATTERN: ARTICLE_ID_PATTERN_WITHOUT_JOINERS,
    ARTICLE_ID_PATTERN_WITHOUT_JOINERS: ARTICLE_ID_PATTERN,
}
"""A pattern that allows more than it did, both ways: an outcome's article id is one that its own publisher wrote."""


def judge_request(old: Schema, new: Schema, subset: Subset) -> CompatibilityVerdict:
    """Compare what workers accept: everything that a publisher of the old version can write must still be accepted."""
    if not _can_read(old, new, subset):
        return REFUSES_PUBLISHERS
    return SAME if old == new else WORKERS_FIRST


def judge_announcement(old: Schema, new: Schema, subset: Subset) -> CompatibilityVerdict:
    """Compare what workers write: old readers must accept new events, and new readers old ones."""
    if not _can_read(new, old, subset):
        return SURPRISES_SUBSCRIBERS
    if not _can_read(old, new, subset):
        return FORGETS_HISTORY
    return SAME if old == new else WORKERS_FIRST


def _can_read(written: Schema, read: Schema, subset: Subset) -> bool:
    # No tool decides containment of regular expressions like ours: a pattern may only stay unchanged or be dropped.
    before = dict(_patterns(written))
    kept = all(
        pattern is None or before.get(place, pattern) in {pattern, WIDENED.get(pattern, pattern)}
        for place, pattern in _patterns(read)
    )
    return kept and subset(closed(_without_patterns(written)), opened(_without_patterns(read)))


def _patterns(node: object, place: str = "") -> Iterator[tuple[str, str | None]]:
    if isinstance(node, dict):
        if node.get("type") == "string":
            yield place, node.get("pattern")
        for key, item in node.items():
            yield from _patterns(item, f"{place}/{key}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _patterns(item, f"{place}/{index}")


def _without_patterns(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_patterns(item) for key, item in node.items() if key != "pattern"}
    return [_without_patterns(item) for item in node] if isinstance(node, list) else node
