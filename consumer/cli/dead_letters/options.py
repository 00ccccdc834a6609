"""Options that the dead-letter commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

import schemas
from consumer.cli.shared import complain, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.selection import Selection
    from consumer.settings import Settings

Reason = Annotated[str | None, typer.Option(help="Only this reason code, such as store_unavailable.")]
Topic = Annotated[str | None, typer.Option(help="Only requests from this lane, with or without your topic prefix.")]
Article = Annotated[str | None, typer.Option(help="Only this article id.")]
Since = Annotated[
    str | None, typer.Option(help="Only those that failed since: ISO 8601 with time zone, or an age such as 90min.")
]
Until = Annotated[
    str | None, typer.Option(help="Only those that failed before: ISO 8601 with time zone, or an age such as 90min.")
]
Letters = Annotated[list[str] | None, typer.Argument(help="Only these: PARTITION:OFFSET in the dead-letter topic.")]


def select(
    settings: Settings,
    letters: Sequence[str] | None,
    reason: str | None,
    topic: str | None,
    article: str | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """Return the selection that the options describe. Raises `typer.BadParameter` for what cannot be parsed."""
    from consumer.admin.dead_letters.selection import Selection

    if reason and reason not in set(schemas.Reason):
        complain(f"{reason} is not a reason code of this version: schemas/README.md lists them")
    return Selection(
        reason=reason,
        topics=frozenset({topic, settings.topics.named(topic)} if topic else ()),
        article=article,
        since=_moment(since),
        until=_moment(until),
        coordinates=frozenset(coordinates(letter) for letter in letters or ()),
    )


def coordinates(text: str) -> Coordinates:
    """Parse PARTITION:OFFSET. Raises `typer.BadParameter`."""
    from consumer.admin.dead_letters.dead_letter import Coordinates

    return parsed(Coordinates.parse, text)


def _moment(text: str | None) -> datetime | None:
    from consumer.settings.time_spans import parse_moment

    return None if text is None else parsed(lambda moment: parse_moment(moment, datetime.now(UTC)), text)


def counted(count: int) -> str:
    """Format a number of dead letters."""
    return "1 dead letter" if count == 1 else f"{count} dead letters"


def by_reason(reasons: Mapping[str, int]) -> str:
    """Format counts by reason on one line, the most frequent first."""
    return ", ".join(f"{count} {code}" for code, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
