"""Who calls, and what they may do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # commands that only know scopes start without the board
    from consumer.gateway.board.article import BoardArticle


class Scope(StrEnum):
    """A right of a key or a session."""

    PUBLISH = "publish"
    READ = "read"
    CHOOSE = "choose"
    WITHDRAW = "withdraw"
    ADMIN = "admin"


class Credential(StrEnum):
    """What a caller showed."""

    KEY = "key"
    SESSION = "session"
    OIDC = "oidc"
    TOKEN = "token"  # noqa: S105 - a kind of credential, not one


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """What a key may do instead of what its site allows each source; None: the site's own."""

    requests_per_second: float | None = None
    pictures_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. Without `admin` they see and change the articles of their own source only.

    `articles`: patterns of the ids they may name, such as `news-*`; `within`: those of the key that a token was asked
    with, which bound it too. `until`: when what they showed expires.
    """

    name: str
    source: str
    scopes: frozenset[Scope]
    articles: tuple[str, ...] = ("*",)
    key_id: str = ""
    within: tuple[str, ...] = ("*",)
    credential: Credential = Credential.KEY
    until: datetime | None = None
    limits: CallerLimits = CallerLimits()

    def may(self, scope: Scope) -> bool:
        """Return whether they have the right; `admin` has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_name(self, article_id: str) -> bool:
        """Return whether the id matches one of their patterns."""
        return _matches(article_id, self.articles) and _matches(article_id, self.within)

    def owns(self, source: str, article_id: str) -> bool:
        """Return whether an article of that source is theirs."""
        return Scope.ADMIN in self.scopes or (source == self.source and self.may_name(article_id))

    def sees(self, article: "BoardArticle") -> bool:
        """Return whether the article is theirs."""
        return self.owns(article.source, article.id)

    def narrowed(self, scopes: Collection[Scope], articles: Sequence[str]) -> Self:
        """Return the same caller with those rights only, as far as they have them."""
        kept = frozenset(scope for scope in scopes if self.may(scope))
        return replace(self, scopes=kept, articles=tuple(articles), within=self.articles)


def _matches(article_id: str, patterns: Sequence[str]) -> bool:
    """Return whether an id is one of these, or like one: `*` stands for any characters, `?` for one, no other does."""
    return any(fnmatchcase(article_id, pattern.replace("[", "[[]")) for pattern in patterns)
