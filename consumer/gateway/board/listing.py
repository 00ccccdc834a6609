"""The list of articles: those that match, a page at a time."""

from collections.abc import Callable
from itertools import dropwhile, islice
from typing import NamedTuple, Self

from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.board import Board


class ListCursor(NamedTuple):
    """Where a page ends: the list goes on with what changed earlier. What changes meanwhile is on no later page."""

    updated_ms: int
    article_id: str

    @classmethod
    def after(cls, article: BoardArticle) -> Self:
        """Return the cursor of a page that ends with this article."""
        return cls(article.updated_ms, article.id)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the cursor that `encode` wrote. Raises `ValueError`."""
        updated, separator, article_id = text.partition("-")
        if not (separator and article_id and updated.isascii() and updated.isdecimal()):
            raise ValueError(text)
        return cls(int(updated), article_id)

    def encode(self) -> str:
        """Return it as text."""
        return f"{self.updated_ms}-{self.article_id}"


class ListPage(NamedTuple):
    """Which articles to list: with all of these words and a slot in the state (empty: any), `before` a cursor."""

    words: str = ""
    state: str = ""
    limit: int = 50
    before: ListCursor | None = None


def list_articles(board: Board, sees: Callable[[BoardArticle], bool], page: ListPage) -> list[BoardArticle]:
    """Return those on the page, the latest changed first."""
    words, state, limit, before = page
    wanted = words.lower().split()

    def matches(article: BoardArticle) -> bool:
        return all(word in article.search_text for word in wanted) and (not state or state in article.states)

    def is_listed(article: BoardArticle) -> bool:
        return before is not None and ListCursor.after(article) >= before

    rest = dropwhile(is_listed, board.articles())
    found = (article for article in rest if matches(article) and sees(article))
    return list(islice(found, limit))
