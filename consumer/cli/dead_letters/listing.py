"""`leadart dead-letters list` and `show`."""

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
    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.listing import DeadLetterListing
    from consumer.admin.dead_letters.lookup import DeadLetterDetails
    from consumer.settings import Settings


def list_letters(
    env_file: EnvFile = None,
    reason: Reason = None,
    topic: Topic = None,
    article: Article = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="Include those redriven or purged.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show the newest N; all are counted.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the open dead letters."""
    from consumer.admin.dead_letters.listing import browse
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    settings = settings_from(env_file)
    selection = select(settings, (), reason, topic, article, since, until)

    async def read() -> DeadLetterListing:
        async with open_dead_letter_topic(settings) as dead_letters:
            return await browse(dead_letters, selection, limit, everything=everything)

    listing = asyncio.run(read())
    if as_json:
        counts = {"matching": listing.matching, "reasons": listing.reasons, "strangers": listing.foreign}
        print(json.dumps({"rows": [asdict(row) for row in listing.rows], **counts}))
    else:
        _print(listing, everything=everything)


def _print(listing: DeadLetterListing, *, everything: bool) -> None:
    columns = ["letter", "kept", "reason", "field", "article", *(["state"] if everything else [])]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in listing.rows:
        cells = [row.at, row.kept, row.reason, row.field, row.article or "", row.state]
        table.add_row(*[Text(printable(cell)) for cell in cells[: len(columns)]])
    if listing.rows:
        console.print(table)
    say(f"{counted(listing.matching)}: {by_reason(listing.reasons)}" if listing.matching else "no dead letters")
    if left_off := listing.matching - len(listing.rows):
        say(f"{left_off} older ones are not shown; --limit shows more")
    if listing.foreign:
        say(f"{listing.foreign} records in the topic were not written by leadart; they are left alone")


def show(
    letter: Annotated[str, typer.Argument(help="PARTITION:OFFSET in the dead-letter topic.")],
    env_file: EnvFile = None,
    value_to: Annotated[Path | None, typer.Option(help="Write the original value to this file, byte for byte.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: what was wrong, what to do about it, and the original record."""
    from consumer.cli.dead_letters import details

    found = asyncio.run(_look_up(settings_from(env_file), coordinates(letter)))
    if as_json:
        print(json.dumps(details.as_json(found)))
    else:
        for line in details.as_lines(found):
            say(line)
    if value_to is not None:
        _write_value(found, value_to)


async def _look_up(settings: Settings, at: Coordinates) -> DeadLetterDetails:
    """Return the dead letter. Raises `typer.Exit` after saying why there is none."""
    from consumer.admin.dead_letters.lookup import look_up
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    async with open_dead_letter_topic(settings) as topic:
        found = await look_up(settings, topic, at)
        if found is None:
            complain(
                f"No dead letter at {at}: {topic.explain_absence(at)}. List them: leadart dead-letters list --all."
            )
            raise typer.Exit(1)
        return found


def _write_value(found: DeadLetterDetails, file: Path) -> None:
    value = found.letter.original.value
    if found.missing or value is None:
        complain(f"There is no value to write: {found.missing or 'the record had none'}.")
        raise typer.Exit(1)
    file.write_bytes(value)
