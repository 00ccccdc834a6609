"""`leadart dead-letters list` and `show`: nothing is changed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from consumer.cli.dead_letters.options import (
    Article,
    Reason,
    Since,
    Topic,
    Until,
    by_reason,
    coordinates,
    counted,
    select,
)
from consumer.cli.shared import AsJson, EnvFile, complain, console, printable, say, settings_from

if TYPE_CHECKING:
    from consumer.admin.dead_letters.listing import Listing
    from consumer.admin.dead_letters.lookup import DeadLetterDetails


def list_letters(
    env_file: EnvFile = None,
    reason: Reason = None,
    topic: Topic = None,
    article: Article = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those redriven or purged.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show so many of the newest; all are counted.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that nothing was done about yet."""
    from consumer.admin.dead_letters.listing import browse
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    settings = settings_from(env_file)
    selection = select(settings, (), reason, topic, article, since, until)

    async def look() -> Listing:
        async with open_dead_letter_topic(settings) as dead_letters:
            return await browse(dead_letters, selection, limit, everything=everything)

    listing = asyncio.run(look())
    if as_json:
        counts = {name: getattr(listing, name) for name in ("matching", "reasons", "strangers")}
        print(json.dumps({"rows": [asdict(row) for row in listing.rows], **counts}))
    else:
        _print(listing, everything=everything)


def _print(listing: Listing, *, everything: bool) -> None:
    columns = ["letter", "kept", "reason", "field", "article", *(["state"] if everything else [])]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in listing.rows:
        cells = [row.at, row.kept, row.reason, row.field, row.article or "", row.state]
        table.add_row(*[Text(printable(cell)) for cell in cells[: len(columns)]])
    if listing.rows:
        console.print(table)
    say(f"{counted(listing.matching)}: {by_reason(listing.reasons)}" if listing.matching else "no letters")
    if left_off := listing.matching - len(listing.rows):
        say(f"{left_off} older ones are not shown; --limit shows more")
    if listing.strangers:
        say(f"{listing.strangers} records in the topic were not written by leadart; they are left alone")


def show(
    letter: Annotated[str, typer.Argument(help="PARTITION:OFFSET in the dead-letter topic.")],
    env_file: EnvFile = None,
    value_to: Annotated[Path | None, typer.Option(help="Write the original value there, byte for byte.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show all about one dead letter: what was wrong, what to do about it, the original record."""
    from consumer.admin.dead_letters.lookup import look_up
    from consumer.admin.dead_letters.topic import open_dead_letter_topic
    from consumer.cli.dead_letters.details import facts, lines

    settings, at = settings_from(env_file), coordinates(letter)

    async def look() -> DeadLetterDetails | None:
        async with open_dead_letter_topic(settings) as topic:
            return await look_up(settings, topic, at)

    found = asyncio.run(look())
    if found is None:
        complain(f"No dead letter lies at {at}: leadart dead-letters list --all.")
        raise typer.Exit(1)
    if as_json:
        print(json.dumps(facts(found)))
    else:
        for line in lines(found):
            say(line)
    if value_to is not None:
        _write_value(found, value_to)


def _write_value(found: DeadLetterDetails, file: Path) -> None:
    value = found.letter.original.value
    if found.missing or value is None:
        complain(f"There is no value to write: {found.missing or 'the record had none'}.")
        raise typer.Exit(1)
    file.write_bytes(value)
