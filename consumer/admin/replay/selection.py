"""Which requests an operator means, and the name of a replay. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.processing.styles import DEFAULT

if TYPE_CHECKING:
    from consumer.admin.replay.offset_range import OffsetRange
    from schemas import ImageRequested

ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that the newest request of a slot has to meet, all of them; empty ones mean any.

    `failed`: what the CMS was last told of the slot is that this revision has failed.
    """

    sections: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    failed: bool = False

    def take(self, request: ImageRequested) -> bool:
        """Tell whether a request is meant, but for `failed`, which is not its own to say."""
        return (
            (not self.sections or request.article.section in self.sections)
            and (not self.styles or (request.style.preset or DEFAULT) in self.styles)
            and (not self.articles or request.article.id in self.articles)
        )


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """What an operator orders. `force` asks for new pictures; `name` tells it from an equal order of before."""

    extent: OffsetRange
    filters: Filters
    force: bool = False
    name: str = ""

    @property
    def id(self) -> str:
        """The replay's id: equal orders have equal ones."""
        spans = [[partition, span.start, span.stop] for partition, span in sorted(self.extent.spans.items())]
        filters = self.filters
        chosen = [sorted(names) for names in (filters.sections, filters.styles, filters.articles)]
        whole = [self.extent.topic, spans, chosen, filters.failed, self.force, self.name]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:ID_CHARACTERS]
