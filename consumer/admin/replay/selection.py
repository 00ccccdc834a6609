"""Which requests an operator means: the range as written and as offsets, filters, and the id of a replay. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.admin.replay.replayed_record import new_variation
from consumer.delivery.controls import fold_section
from consumer.processing.styles import DEFAULT
from consumer.settings.time_spans import parse_moment
from schemas import ImageRequested
from schemas.requests import ImageRequest

ID_CHARACTERS = 16


_OFFSET: Final = re.compile(r"[0-9]{1,18}")
_PAIR: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """One end of a range: a `moment`, one `offset` for every partition, or one for each partition in `offsets`."""

    moment: datetime | None = None
    offset: int | None = None
    offsets: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str, now: datetime) -> RangeEnd:
        """Parse `1200`, `0:1200,1:1180`, `2031-05-17T08:00:00Z` or an age before `now`. Raises `ValueError`."""
        if _OFFSET.fullmatch(text):
            return cls(offset=int(text))
        pairs = [_PAIR.fullmatch(part) for part in text.split(",")]
        if all(pairs):
            return cls(offsets=_once([(int(pair[1]), int(pair[2])) for pair in pairs if pair]))
        try:
            return cls(moment=parse_moment(text, now))
        except ValueError as error:
            raise ValueError(f"{error} Or give offsets: 1200 for every partition, or 0:1200,1:1180.") from None

    def includes(self, partition: int) -> bool:
        """Return whether the partition takes part; pairs of offsets select partitions."""
        return not self.offsets or any(number == partition for number, _ in self.offsets)

    def offset_in(self, partition: int) -> int | None:
        """Return the partition's offset, None if a moment was given."""
        return self.offset if not self.offsets else dict(self.offsets)[partition]


def _once(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    if len({partition for partition, _ in pairs}) < len(pairs):
        raise ValueError("A partition is named twice: give it one offset.")
    return tuple(sorted(pairs))


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The offsets of a topic that a replay reads, by partition; some may be deleted already or not written yet."""

    topic: str
    spans: Mapping[int, range]

    @classmethod
    def of(cls, topic: str, spans: Mapping[int, range]) -> OffsetRange:
        """Return the range without partitions whose span is empty."""
        return cls(topic, {partition: span for partition, span in sorted(spans.items()) if span})

    @property
    def starts(self) -> str:
        """The lower ends as `--from` takes them."""
        return _pairs((partition, span.start) for partition, span in self.spans.items())

    @property
    def stops(self) -> str:
        """The upper ends as `--to` takes them."""
        return _pairs((partition, span.stop) for partition, span in self.spans.items())


def _pairs(offsets: Iterable[tuple[int, int]]) -> str:
    return ",".join(f"{partition}:{offset}" for partition, offset in offsets)


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that the newest request of a slot must meet, all of them; empty ones mean any.

    `failed`: the last outcome that the CMS received for the slot is a failure of this revision.
    """

    sections: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    failed: bool = False

    def match(self, request: ImageRequest) -> bool:
        """Return whether a request meets the conditions, except for `failed`, which a request cannot tell.

        A re-crop tells neither section nor style, so it meets no condition on them.
        """
        if self.articles and request.article.id not in self.articles:
            return False
        if not isinstance(request, ImageRequested):
            return not (self.sections or self.styles)
        sections = {fold_section(section) for section in self.sections}
        return (not sections or fold_section(request.article.section) in sections) and (
            not self.styles or (request.style.preset or DEFAULT) in self.styles
        )


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """What to replay. `force` asks for new pictures; `name` distinguishes otherwise equal replays."""

    range: OffsetRange
    filters: Filters
    force: bool = False
    name: str = ""

    @property
    def id(self) -> str:
        """The replay's id: equal specifications have equal ids."""
        spans = [[partition, span.start, span.stop] for partition, span in sorted(self.range.spans.items())]
        filters = self.filters
        chosen = [sorted(names) for names in (filters.sections, filters.styles, filters.articles)]
        whole = [self.range.topic, spans, chosen, filters.failed, self.force, self.name]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:ID_CHARACTERS]

    def vary(self, request: ImageRequested) -> ImageRequested:
        """Return the request as it would be published: with `force` it has another variation."""
        if not self.force:
            return request
        variation = new_variation(self.id, request.generation.variation or 0)
        generation = request.generation.model_copy(update={"variation": variation})
        return request.model_copy(update={"generation": generation})
