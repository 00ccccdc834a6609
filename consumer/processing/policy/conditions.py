"""Conditions of rules: what of a request they look at, and what they found there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from consumer.processing.policy.words import FoldedText, WordList, fold
from consumer.processing.styles import DEFAULT
from schemas import ImageRequested


class TextField(StrEnum):
    """A text of a request in which words are looked for."""

    HEADLINE = "headline"
    STANDFIRST = "standfirst"
    SUMMARY = "summary"
    BODY = "body"
    PROMPT = "prompt"


_TEXTS: Final[dict[TextField, Callable[[ImageRequested], Iterable[str | None]]]] = {
    TextField.HEADLINE: lambda request: [request.article.headline],
    TextField.STANDFIRST: lambda request: [request.article.standfirst],
    TextField.SUMMARY: lambda request: [request.article.summary],
    TextField.BODY: lambda request: [request.article.body_excerpt],
    TextField.PROMPT: lambda request: [request.brief.prompt, *request.brief.subject_hints],
}


@dataclass(slots=True)
class RequestFacts:
    """A request as rules see it. `source` is its event's; the time is since the first save of its slot."""

    request: ImageRequested
    source: str = ""
    seconds_since_first_save: float = 0.0
    _texts: dict[TextField, tuple[FoldedText, ...]] = field(default_factory=dict)

    def texts(self, name: TextField) -> tuple[FoldedText, ...]:
        """Return a text of the request, folded at most once however many rules search it."""
        if name not in self._texts:
            self._texts[name] = tuple(FoldedText(text) for text in _TEXTS[name](self.request) if text)
        return self._texts[name]


class Condition(Protocol):
    """One condition of a rule."""

    def met(self, facts: RequestFacts) -> str | None:
        """Return what of the request meets it, in words, with text of the article; None if nothing does."""


VALUES: Final[dict[str, Callable[[RequestFacts], Sequence[str | None]]]] = {
    "section": lambda facts: [facts.request.article.section],
    "status": lambda facts: [facts.request.article.status],
    "tags": lambda facts: facts.request.article.tags,
    "source": lambda facts: [facts.source],
    "requested_by": lambda facts: [facts.request.requested_by],
    "slot": lambda facts: [facts.request.slot],
    "style": lambda facts: [facts.request.style.preset or DEFAULT],
    "reason": lambda facts: [facts.request.reason],
    "priority": lambda facts: [facts.request.priority],
}
"""What of a request a list of whole values is compared with, by the condition's key."""


class OneOf:
    """The field `key` is one of these values, whatever their case; of tags, one of them is."""

    def __init__(self, key: str, values: Collection[str]) -> None:
        self._key = key
        self._values = frozenset(fold(value).strip() for value in values)

    def met(self, facts: RequestFacts) -> str | None:
        """Return the value."""
        for value in VALUES[self._key](facts):
            if value is not None and fold(value).strip() in self._values:
                return f"{self._key} {'has' if self._key == 'tags' else 'is'} {str(value)!r}"
        return None


class LocaleIn:
    """The article's locale is one of these language tags or a narrower one: `de` has de-AT and de_AT."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(_subtags(tag) for tag in tags)

    def met(self, facts: RequestFacts) -> str | None:
        """Return the locale."""
        locale = facts.request.article.locale
        subtags = _subtags(locale)
        within = any(subtags[:count] in self._tags for count in range(1, len(subtags) + 1))
        return f"locale is {locale!r}" if within else None


class Mentions:
    """A text of the request has an entry of one of the lists, by name; `""` is the rule's own."""

    def __init__(self, lists: dict[str, WordList], where: Sequence[TextField]) -> None:
        self._lists = lists
        self._where = tuple(where)

    def met(self, facts: RequestFacts) -> str | None:
        """Return the first entry found, as the text has it, and where."""
        for name in self._where:
            for text in facts.texts(name):
                for listed, words in self._lists.items():
                    if (found := words.find(text)) is not None:
                        of_list = f" (list {listed})" if listed else ""
                        return f"{name} has {text.original(found)!r}{of_list}"
        return None


@dataclass(frozen=True, slots=True)
class SinceFirstSave:
    """The slot's first save is `at_least` this long ago, and less than `below`."""

    at_least: timedelta = timedelta()
    below: timedelta = timedelta.max

    def met(self, facts: RequestFacts) -> str | None:
        """Return the time."""
        since = timedelta(seconds=max(0, round(facts.seconds_since_first_save)))
        return f"its first save was {since} ago" if self.at_least <= since < self.below else None


def _subtags(tag: str) -> tuple[str, ...]:
    return tuple(tag.lower().replace("_", "-").split("-"))
