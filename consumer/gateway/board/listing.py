"""The list of articles: those that match, as far as a page of it needs."""

from collections.abc import Callable
from itertools import islice

from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.board import Board


def list_articles(
    board: Board, sees: Callable[[BoardArticle], bool], words: str, state: str, limit: int
) -> list[BoardArticle]:
    """Return the articles that changed last, with all of these words and a slot in the state (empty: any)."""
    wanted = words.lower().split()

    def matches(article: BoardArticle) -> bool:
        return all(word in article.search_text for word in wanted) and (not state or state in article.states)

    found = (article for article in board.articles() if matches(article) and sees(article))
    return list(islice(found, limit))
