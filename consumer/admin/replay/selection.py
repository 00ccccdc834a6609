"""Which requests an operator means, and the id of a replay. Pure."""

import hashlib
import json
from dataclasses import dataclass

from consumer.admin.replay.offset_range import OffsetRange
from consumer.admin.replay.replayed_record import new_variation
from consumer.processing.styles import DEFAULT
from schemas import ImageRequested

ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that the newest request of a slot must meet, all of them; empty ones mean any.

    `failed`: the last outcome that the CMS received for the slot is a failure of this revision.
    """

    sections: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    failed: bool = False

    def match(self, request: ImageRequested) -> bool:
        """Return whether a request meets the conditions, except for `failed`, which a request cannot tell."""
        return (
            (not self.sections or request.article.section in self.sections)
            and (not self.styles or (request.style.preset or DEFAULT) in self.styles)
            and (not self.articles or request.article.id in self.articles)
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
        variation = new_variation(self.id, request.generation.variation)
        generation = request.generation.model_copy(update={"variation": variation})
        return request.model_copy(update={"generation": generation})
