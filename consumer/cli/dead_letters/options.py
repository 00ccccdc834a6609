"""What the commands on dead letters share: how letters are named and chosen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

import schemas
from consumer.cli.shared import complain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.selection import Selection
    from consumer.settings import Settings

Reason = Annotated[str | None, typer.Option(help="Only this reason, such as store_unavailable.")]
Topic = Annotated[str | None, typer.Option(help="Only what came from this lane, with or without the house's prefix.")]
Article = Annotated[str | None, typer.Option(help="Only this article id.")]
Since = Annotated[
    str | None, typer.Option(help="Only those kept since then: ISO 8601 with zone, or an age such as 2h.")
]
Until = Annotated[str | None, typer.Option(help="Only those kept before: ISO 8601 with zone, or an age such as 2h.")]
Letters = Annotated[list[str] | None, typer.Argument(help="Only these: PARTITION:OFFSET in the dead-letter topic.")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it; without this it is only told.")]


def select(
    settings: Settings,
    letters: Sequence[str] | None,
    reason: str | None,
    topic: str | None,
    article: str | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """Return what the options choose. Raises `typer.BadParameter` for what cannot be read."""
    from consumer.admin.dead_letters.selection import Selection

    if reason and reason not in set(schemas.Reason):
        complain(f"{reason} is no reason that this version gives: see schemas/README.md for those that are")
    return Selection(
        reason=reason,
        topics=frozenset({topic, settings.topics.named(topic)} if topic else ()),
        article=article,
        since=_moment(since),
        until=_moment(until),
        coordinates=frozenset(coordinates(letter) for letter in letters or ()),
    )


def coordinates(text: str) -> Coordinates:
    """Read PARTITION:OFFSET. Raises `typer.BadParameter`."""
    from consumer.admin.dead_letters.dead_letter import Coordinates

    try:
        return Coordinates.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _moment(text: str | None) -> datetime | None:
    from consumer.settings.time_spans import parse_moment

    try:
        return None if text is None else parse_moment(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def counted(count: int) -> str:
    """Write so many letters."""
    return "1 letter" if count == 1 else f"{count} letters"


def by_reason(reasons: Mapping[str, int]) -> str:
    """Write counts by reason in one line, the most frequent first."""
    return ", ".join(f"{count} {code}" for code, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
