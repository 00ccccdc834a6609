"""`leadart outcomes`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from consumer.cli.shared import AsJson, EnvFile, complain, lay_out, printable, say, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.kafka.announced import AnnouncedEvent
    from consumer.settings import Settings

_POLL_SECONDS = 0.5


def outcomes(
    article: Annotated[str | None, typer.Argument(help="Article id. [default: all articles]")] = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="Show the newest N.", metavar="N")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Then print new outcomes until Ctrl-C.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest outcomes that were announced, oldest first; works with all workers down.

    With --json, one object a line.
    """
    settings = settings_from(env_file)
    try:
        if follow:
            asyncio.run(_follow(settings, last, article, _print_json if as_json else _print_lines))
        else:
            (_print_json if as_json else _print_table)(asyncio.run(_recent(settings, last, article)))
    except KeyboardInterrupt:
        if not follow:
            raise


async def _recent(settings: Settings, last: int, article: str | None) -> Sequence[AnnouncedEvent]:
    from consumer.kafka.outcome_search import recent_outcomes

    found = await recent_outcomes(settings, last, article)
    if found.searched_since:
        complain(f"the topic is long: searched back to {found.searched_since:%Y-%m-%d %H:%M:%S} UTC only")
    if not found.outcomes:
        complain(f"no outcomes of article {article}" if article else "no outcomes yet")
    return found.outcomes


async def _follow(
    settings: Settings, last: int, article: str | None, show: Callable[[Sequence[AnnouncedEvent]], None]
) -> None:
    """Show outcomes until cancelled. Listens before it searches, so that none falls between the two."""
    from consumer.kafka.announced import parse_announced
    from consumer.kafka.cms_client import open_subscriber
    from schemas import names

    async with open_subscriber(settings, [names.OUTCOME]) as subscriber:
        recent = await _recent(settings, last, article)
        show(recent)
        shown = {event.place for event in recent}
        while True:
            events = filter(None, map(parse_announced, await subscriber.read(_POLL_SECONDS)))
            show([event for event in events if article in {None, event.article} and event.place not in shown])


def _print_json(events: Sequence[AnnouncedEvent]) -> None:
    for event in events:
        print(json.dumps(event.as_json()), flush=True)


def _print_table(events: Sequence[AnnouncedEvent]) -> None:
    table = Table("time (UTC)", "article", "revision", "slot", "kind", "result")
    for event in events:
        table.add_row(*_cells(event))
    lay_out(table)


def _print_lines(events: Sequence[AnnouncedEvent]) -> None:
    for event in events:
        say("  ".join(_cells(event)))


def _cells(event: AnnouncedEvent) -> tuple[str, ...]:
    slot, revision = (str(value) if value is not None else "-" for value in (event.data.get("slot"), event.revision))
    cells = (event.article, revision, slot, event.kind, event.result)
    return (f"{event.time:%Y-%m-%d %H:%M:%S}", *map(printable, cells))
