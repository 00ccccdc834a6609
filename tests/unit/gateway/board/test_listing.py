"""`consumer.gateway.board.listing`: the list of articles."""

from __future__ import annotations

from consumer.gateway.board.board import Board
from consumer.gateway.board.listing import ListCursor, ListPage, list_articles
from tests.support.board import Topics, board_of, save


def ids(board: Board, words: str = "", state: str = "", limit: int = 50) -> list[str]:
    return [article.id for article in list_articles(board, lambda _: True, ListPage(words, state, limit))]


def test_the_latest_changed_come_first_and_only_those_that_match() -> None:
    """All words are looked for in headline, section and id, in any case; a state is that of any slot."""
    topics = Topics()
    topics.ask("r-1", save("a-1", headline="Storm at Sea", section="News"))
    topics.ask("r-2", save("b-2", headline="Calm Sea"))
    topics.ask("r-3", save("c-3", slot="teaser", headline="Storm"))
    topics.announce("failed", "r-1", "a-1", reason="engine_failed")
    board = board_of(topics.records)
    assert ids(board) == ["a-1", "c-3", "b-2"]
    assert ids(board, limit=2) == ["a-1", "c-3"]
    assert ids(board, "SEA storm") == ["a-1"]
    assert ids(board, "news") == ["a-1"]
    assert ids(board, "b-2") == ["b-2"]
    assert ids(board, "thunder") == []
    assert (ids(board, state="failed"), ids(board, state="queued")) == (["a-1"], ["c-3", "b-2"])
    assert [article.id for article in list_articles(board, lambda one: one.id != "a-1", ListPage())] == ["c-3", "b-2"]


def test_a_list_goes_on_where_a_page_ended() -> None:
    """Of those that changed at the same time none is left out or comes twice; what changes meanwhile comes first."""
    topics = Topics()
    for number in range(7):
        topics.ask(f"r-{number}", save(f"a-{number}"))
    board = board_of(topics.records)
    everything = ids(board)
    paged: list[str] = []
    cursor: ListCursor | None = None
    while page := list_articles(board, lambda _: True, ListPage(limit=2, before=cursor)):
        paged += [article.id for article in page]
        cursor = ListCursor.decode(ListCursor.after(page[-1]).encode())
        board.take_early(topics.ask(f"again-{len(paged)}", save(everything[0], revision=len(paged) + 1)))
    assert paged == everything


def test_a_page_costs_the_articles_on_it() -> None:
    """Of ten thousand articles only those on the page are worked out; a change works out one of them again."""
    topics = Topics()
    board = board_of([])
    for number in range(10_000):
        board.take_early(topics.ask(f"r-{number}", save(f"a-{number}")))
        topics.records.clear()
    page = list_articles(board, lambda _: True, ListPage())
    _ = [article.summary_json for article in page]
    worked_out = [article for article in board.articles() if "summary_json" in vars(article)]
    assert worked_out == page
    assert not any("search_text" in vars(article) for article in board.articles())
    board.take_early(topics.ask("again", save("a-3")))
    assert [article.id for article in page if "summary_json" not in vars(article)] == []
    assert "summary_json" not in vars(board.article("a-3") or page[0])
