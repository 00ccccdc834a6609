"""The saves of a newsroom's day: stories are written, published, corrected, and some get an editor's picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from consumer.dev.simulate.day.newsroom import Newsroom, NewsroomSection
from consumer.dev.simulate.scenario import HOUR, HOURS_A_DAY, TrafficLoad
from schemas import ImageRequested, Priority, RequestReason
from schemas.requested import Article, Output

EXCERPT_WORDS: Final = 40
STANDFIRST_WORDS: Final = 16

_TEXT: Final = (
    "the town a new plan for its old bridge people along water street said that they had waited long enough and would "
    "come again on Monday with more of their neighbours while shops stay open until six and buses go round by station "
    "road where work on both sides takes longer than anybody thought in spring but costs less than last time"
)
_WORDS: Final = _TEXT.split()
_TAILS: Final = ("what we know", "the main points", "who decides", "a first look", "and what comes next", "the figures")


@dataclass(frozen=True, slots=True)
class Save:
    """A request of the day, `at` seconds after midnight.

    `final`: the last save of its story that was published. `decides_after`: an editor chooses the first of its pictures
    that many seconds after they are there; None: nobody does.
    """

    at: float
    request: ImageRequested
    final: bool = False
    decides_after: float | None = None

    @property
    def interactive(self) -> bool:
        """True if somebody waits for its pictures."""
        return self.request.priority is Priority.INTERACTIVE


@dataclass(frozen=True, slots=True)
class _Text:
    """What a CMS sends of a story."""

    status: str
    headline: str
    standfirst: str | None = None
    body: str | None = None


def saves_of(newsroom: Newsroom, seed: int) -> list[Save]:
    """Return all requests of the stories begun in a day, in order of time. Equal arguments give equal days."""
    random = Random(f"{seed}/day")
    load = TrafficLoad(newsroom.stories, 0.0, peak=newsroom.peak, busiest=newsroom.busiest_hour)
    rates = load.hourly
    saves: list[Save] = []
    for number in range(newsroom.stories):
        hour = random.choices(range(HOURS_A_DAY), rates)[0]
        begun = (hour + random.random()) * HOUR
        saves += _Story(newsroom, Random(f"{seed}/{number}"), f"story-{number}").saves(begun)
    return sorted(saves, key=lambda save: save.at)


class _Story:
    """One story's life."""

    def __init__(self, newsroom: Newsroom, random: Random, article_id: str) -> None:
        self._newsroom = newsroom
        self._random = random
        self._id = article_id
        sections = newsroom.sections
        self._section: NewsroomSection = random.choices(sections, [section.share for section in sections])[0]
        self._subject = random.choice(self._section.headlines)
        self._headline = self._subject

    def saves(self, begun: float) -> list[Save]:
        written = list(self._written(begun))
        texts = written
        published: float | None = None
        if self._random.random() < self._newsroom.published_share:
            published, text = self._publish(*written[-1])
            texts = [*written, (published, text), *self._corrected(published, text)]
        texts.sort(key=lambda timed: timed[0])
        saves = [Save(at, self._request(text, number)) for number, (at, text) in enumerate(texts, start=1)]
        if published is not None:
            saves[-1] = replace(saves[-1], final=True)
            saves += self._asked(published, texts)
        return saves

    def _written(self, begun: float) -> Iterator[tuple[float, _Text]]:
        """Yield the first save and each autosave with the text that is there by then."""
        writing, random = self._newsroom.writing, self._random
        yield begun, _Text("draft", self._subject)
        seconds = random.gammavariate(3, writing.minutes * 60 / 3)
        ticks = max(1, round(seconds / writing.autosave_seconds))
        changes = {random.randrange(ticks) for _ in range(_poisson(random, writing.headlines))}
        words, standfirst = 0.0, 0.0
        words_a_tick = writing.words_a_minute * writing.autosave_seconds / 60
        for tick in range(ticks):
            shown = self._headline
            if tick in changes:
                shown = self._half_typed_headline()
            elif random.random() >= writing.typing_share:
                continue
            if tick >= ticks * (1 - writing.standfirst_share) and standfirst < STANDFIRST_WORDS:
                standfirst += words_a_tick
            else:
                words += words_a_tick
            at = begun + (tick + 1 + random.random() / 10) * writing.autosave_seconds
            yield at, _Text("autosave", shown, self._typed(standfirst, STANDFIRST_WORDS, 7), self._typed(words))

    def _publish(self, at: float, text: _Text) -> tuple[float, _Text]:
        seconds = self._random.uniform(1, self._newsroom.writing.autosave_seconds)
        return at + seconds, replace(text, status="published", headline=self._headline)

    def _corrected(self, published: float, text: _Text) -> Iterator[tuple[float, _Text]]:
        corrections, random = self._newsroom.corrections, self._random
        moments = sorted(
            random.expovariate(1 / (corrections.hours * HOUR)) for _ in range(_poisson(random, corrections.count))
        )
        for moment in moments:
            if random.random() < corrections.headline_share:
                text = replace(text, headline=self._other_headline())
            yield published + moment, text
            if random.random() < corrections.again_share:
                text = replace(text, headline=self._other_headline())
                yield published + moment + random.expovariate(1 / corrections.again_seconds), text

    def _asked(self, published: float, texts: list[tuple[float, _Text]]) -> Iterator[Save]:
        """Yield an editor's request for other pictures of what is saved by then, if there is one."""
        editors, random = self._newsroom.editors, self._random
        if random.random() >= editors.asking_share:
            return
        at = published + random.expovariate(1 / (editors.after_minutes * 60))
        seen = [text for saved, text in texts if saved <= at]
        chooses = random.random() < editors.choosing_share
        decides_after = random.expovariate(1 / editors.deciding_seconds) if chooses else None
        yield Save(at, self._request(seen[-1], len(seen), pictures=editors.pictures), decides_after=decides_after)

    def _request(self, text: _Text, revision: int, pictures: int | None = None) -> ImageRequested:
        article = Article(
            id=self._id,
            revision=revision,
            section=self._section.name,
            status=text.status,
            headline=text.headline,
            standfirst=text.standfirst,
            body_excerpt=text.body,
        )
        if pictures is None:
            return ImageRequested(article=article)
        return ImageRequested(
            article=article,
            output=Output(variants=pictures),
            reason=RequestReason.REGENERATE,
            priority=Priority.INTERACTIVE,
        )

    def _half_typed_headline(self) -> str:
        """Begin another headline, which the next save has whole."""
        self._headline = self._other_headline()
        words = self._headline.split()
        return " ".join(words[: len(words) // 2 + 1])

    def _other_headline(self) -> str:
        return f"{self._subject}: {self._random.choice(_TAILS)} {self._random.randrange(1000)}"

    def _typed(self, words: float, most: int = EXCERPT_WORDS, first: int = 0) -> str | None:
        """Return that many words of running text in sentences of twelve; None without any."""
        count = min(most, math.floor(words))
        typed = [_WORDS[(first + number) % len(_WORDS)] for number in range(count)]
        sentences = [" ".join(typed[start : start + 12]) for start in range(0, count, 12)]
        return ". ".join(sentence.capitalize() for sentence in sentences) or None


def _poisson(random: Random, mean: float) -> int:
    """Return a Poisson count."""
    count, left = 0, random.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + random.expovariate(1.0)
    return count
