"""`consumer.gateway.board.showing`: the board shows what the published rule says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.slot import shown
from tests.support.board import Topics, board_of, pictures, save

numbers = st.integers(1, 6)
outcomes = st.lists(
    st.tuples(
        st.sampled_from(["ready", "ready", "ready", "declined", "withdrawn", "held", "superseded"]),
        st.fixed_dictionaries(
            {"ordinal": numbers, "revision": numbers, "chosen": st.booleans(), "offers": st.booleans()},
            optional={"rule": st.sampled_from(["external_choice", "drafts"])},
        ),
    ),
    max_size=8,
)


@given(outcomes)
def test_a_slot_shows_what_the_published_rule_says(said: list[tuple[str, dict[str, Any]]]) -> None:
    """For any outcomes that the contract allows, the card's picture is the one that docs/clients/slot.py finds."""
    topics, known = Topics(), []
    for index, (kind, data) in enumerate(said):
        rule = {"rule": data.get("rule", "drafts")} if kind == "declined" else {}
        topics.ask(f"r-{index}", save(revision=data["revision"]))
        topics.announce(kind, f"r-{index}", pictures=pictures(f"p-{index}"), **{**data, **rule})
        known.append((kind, {**data, **rule, "article": {"revision": data["revision"]}, "index": index}))
    article = board_of(topics.records).article("a-1")
    expected = shown(known)
    found = article.shown_in("hero") if article else None
    assert (found or {}).get("request_id") == (f"r-{expected['index']}" if expected else None)
    if article:
        card = article.slot("hero")
        assert (card["picture"] or {}).get("sha256") == (f"p-{expected['index']}" if expected else None)
        assert card["chosen"] == bool(expected and expected["chosen"])


def test_what_another_program_announced_is_passed_by() -> None:
    """Without what the rule looks at, an outcome shows nothing, and breaks nothing."""
    topics = Topics()
    topics.announce("ready", "r-1", ordinal=1, pictures=pictures("p-1"))
    topics.announce("ready", "r-2", ordinal="9", pictures=pictures("p-2"))
    topics.announce("ready", "r-3", revision=None, pictures=pictures("p-3"))
    topics.announce("ready", "r-4", ordinal=9, pictures=[{"index": 0}])
    topics.announce("declined", "r-5", ordinal=9)
    board = board_of(topics.records)
    (article,) = board.articles()
    assert (article.shown_in("hero") or {})["request_id"] == "r-1"
    assert board.images("r-5") == []
