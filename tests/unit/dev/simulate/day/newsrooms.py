"""Newsrooms for tests: the shipped one with other numbers."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.dev.simulate.day.newsroom import Newsroom, load_newsroom

NEWSROOM = load_newsroom()


def newsroom(stories: int = 20, **changes: Mapping[str, float] | float) -> Newsroom:
    """Return the shipped newsroom with other numbers."""
    numbers = NEWSROOM.model_dump() | {"stories": stories}
    for name, change in changes.items():
        numbers[name] = numbers[name] | change if isinstance(change, Mapping) else change
    return Newsroom.model_validate(numbers)
