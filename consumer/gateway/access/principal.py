"""Who calls, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from consumer.gateway.board.article import BoardArticle


class Scope(StrEnum):
    """A right of a key or a session."""

    PUBLISH = "publish"
    READ = "read"
    CHOOSE = "choose"
    WITHDRAW = "withdraw"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. Without `admin` they see and change the articles of their own source only.

    `articles`: patterns of the ids they may name, such as `news-*`.
    """

    name: str
    source: str
    scopes: frozenset[Scope]
    articles: tuple[str, ...] = ("*",)
    key_id: str = ""

    def may(self, scope: Scope) -> bool:
        """Return whether they have the right; `admin` has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_name(self, article_id: str) -> bool:
        """Return whether the id matches one of their patterns."""
        return any(fnmatchcase(article_id, pattern) for pattern in self.articles)

    def owns(self, source: str, article_id: str) -> bool:
        """Return whether an article of that source is theirs."""
        return Scope.ADMIN in self.scopes or (source == self.source and self.may_name(article_id))

    def sees(self, article: BoardArticle) -> bool:
        """Return whether the article is theirs."""
        return self.owns(article.source, article.id)
