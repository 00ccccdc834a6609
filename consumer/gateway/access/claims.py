"""Whose an article is while its first request is on its way to the bus: the first source's, and nobody else's."""

from collections.abc import Iterator
from contextlib import contextmanager

from consumer.gateway.problems import not_found


class ArticleClaims:
    """Holds articles for the source that publishes about them. What the board has is its owner's anyway."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}

    @contextmanager
    def held(self, article_id: str, source: str) -> Iterator[None]:
        """Hold an article meanwhile. Raises `Problem` 404 if another source does."""
        holder, times = self._held.get(article_id, (source, 0))
        if holder != source:
            raise not_found("article")
        self._held[article_id] = (source, times + 1)
        try:
            yield
        finally:
            _, times = self._held.pop(article_id)
            if times > 1:
                self._held[article_id] = (source, times - 1)
