"""Whatever stands on the topics, the gateway goes on reading: one strange record must not stop it for all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from consumer.gateway.board.article import BoardArticle
from schemas import OutcomeKind
from tests.support.board import SOURCE, Topics, board_of, decision, pictures, save

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "pictures",
    "slot",
    "ordinal",
    "chosen",
    "offers",
    "kept",
    "rule",
    "message",
    "alt",
    "stage",
    "step",
    "of",
    "index",
    "revision",
)
STRANGE = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4)
PARTS = ("sha256", "key", "width", "height", "thumbhash", "focal_point", "renditions")
PICTURES: st.SearchStrategy[list[Any]] = st.lists(
    st.dictionaries(st.sampled_from(PARTS), JSON | st.just([{}]) | st.just([{"name": "hero-960"}]), max_size=7) | JSON,
    max_size=2,
)


def read_all(article: BoardArticle) -> None:
    """Ask for everything that an endpoint answers with."""
    json.dumps([article.summary(), [article.slot(name) for name in article.slots]])


@given(kind=st.sampled_from([*OutcomeKind, "progress", "novelty"]), data=STRANGE, shown=PICTURES)
@example(kind="progress", data={"stage": []}, shown=[])
def test_no_announcement_stops_the_board(kind: str, data: dict[str, Any], shown: list[Any]) -> None:
    """An outcome or progress with fields of any shape is read, answered about, and does not hide a sound one."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.announce("ready", "r-1", pictures=pictures("a" * 64))
    topics.ask("r-2", save(revision=2))
    topics.announce(kind, "r-2", **{"pictures": shown, **data})
    board = board_of(topics.records)
    for article in board.articles():
        read_all(article)
    assert board.picture("a" * 64) in ({"original": "pictures/" + "a" * 64}, {})


@given(data=STRANGE, output=JSON)
def test_no_request_stops_the_board(data: dict[str, Any], output: Any) -> None:
    """A request with fields of any shape is listed as far as it can be read."""
    topics = Topics()
    topics.ask("r-1", {**data, "article": {"id": "a-1", "revision": 1, "headline": data.get("alt")}, "output": output})
    topics.ask("r-2", decision(slot="hero"), type="org.leadart.article.image-chosen.v1", source=SOURCE)
    for article in board_of(topics.records).articles():
        read_all(article)
