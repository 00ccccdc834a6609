"""The demo's edition: the saves of its newsroom, in order, and the outcome expected of each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from consumer.kafka.cms_client import request_event
from schemas.cloudevents import Event


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """The one outcome of a save: `ready` with a number of pictures, or `failed` with a reason and a field."""

    outcome: str
    pictures: int = 0
    reused: bool = False
    reason: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class ArticleSave:
    """One save of an article: the request's data and its expected outcome."""

    request: Mapping[str, Any]
    expected: ExpectedOutcome

    @property
    def article(self) -> Mapping[str, Any]:
        """The saved article."""
        article: Mapping[str, Any] = self.request["article"]
        return article

    @property
    def key(self) -> str:
        """The record key: the article's id."""
        return str(self.article["id"])

    @cached_property
    def event(self) -> Event:
        """The request as an event; a save keeps its id however often it is sent."""
        return request_event(self.request, f"save-{self.key}-{self.article['revision']}")


def load_edition(suffix: str = "") -> tuple[ArticleSave, ...]:
    """Return all saves; `suffix` is appended to every article id, to report runs on shared servers apart."""
    entries = json.loads((files("consumer.dev.demo") / "edition.json").read_text(encoding="utf-8"))
    return tuple(
        ArticleSave(_renamed(entry["request"], suffix), ExpectedOutcome(**entry["expect"])) for entry in entries
    )


def _renamed(request: dict[str, Any], suffix: str) -> dict[str, Any]:
    return {**request, "article": {**request["article"], "id": request["article"]["id"] + suffix}}
