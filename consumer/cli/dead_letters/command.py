"""`leadart dead-letters`: list, show, redrive and purge failed requests; redrive and purge need `--execute`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from consumer import failpoints
from consumer.cli.dead_letters.options import (
    Article,
    Letters,
    Reason,
    Since,
    Topic,
    Until,
    by_reason,
    coordinates,
    counted,
    select,
)
from consumer.cli.shared import (
    DRY_RUN,
    AsJson,
    EnvFile,
    Execute,
    complain,
    console,
    printable,
    say,
    settings_from,
    share_bar,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from consumer.admin.dead_letters.action import DeadLetterReport
    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.listing import DeadLetterDetails, DeadLetterListing
    from consumer.admin.dead_letters.selection import Selection
    from consumer.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="List, show, redrive or purge failed requests.")


@commands.command("list")
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


@commands.command()
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
    from consumer.admin.dead_letters.listing import look_up
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


@commands.command()
def redrive(
    letters: Letters = None,
    env_file: EnvFile = None,
    reason: Reason = None,
    topic: Topic = None,
    article: Article = None,
    since: Since = None,
    until: Until = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Put the original requests back on their lanes, each once however often this runs; workers may keep running.

    Without filters: every open dead letter, engine_poison too, which the same version should not try again.
    """
    settings = settings_from(env_file)
    selection = select(settings, letters, reason, topic, article, since, until)
    report = _run(_redrive(settings, selection, execute=execute))
    _report("redriven", report, execute=execute, as_json=as_json)


async def _redrive(settings: Settings, selection: Selection, *, execute: bool) -> DeadLetterReport:
    from consumer.admin.dead_letters.action import ActionRunner
    from consumer.admin.dead_letters.redrive import Redrive
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    failpoints.use(settings.worker.failpoints)
    async with open_dead_letter_topic(settings) as topic:
        action = await Redrive.prepare(settings, topic)
        with share_bar("redriving" if execute else "reading") as watch:
            return await ActionRunner(settings, topic, selection, action, watch).run(execute=execute)


@commands.command()
def purge(
    letters: Letters = None,
    env_file: EnvFile = None,
    reason: Reason = None,
    topic: Topic = None,
    article: Article = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--every", help="Every open dead letter.")] = False,
    done: Annotated[bool, typer.Option("--done", help="Mark none; only delete what is redriven or purged.")] = False,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Give up dead letters, and delete finished ones from the start of each partition."""
    settings = settings_from(env_file)
    selection = select(settings, letters, reason, topic, article, since, until)
    if [not selection.is_everything, every, done].count(True) != 1:
        raise typer.BadParameter("Say which dead letters: filters, PARTITION:OFFSET, --every, or --done.")
    report = _run(_purge(settings, selection, mark=not done, execute=execute))
    _report("purged", report, execute=execute, as_json=as_json)


async def _purge(settings: Settings, selection: Selection, *, mark: bool, execute: bool) -> DeadLetterReport:
    from consumer.admin.dead_letters.action import ActionRunner, DeadLetterReport
    from consumer.admin.dead_letters.purge import Purge, delete_done
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    failpoints.use(settings.worker.failpoints)
    report = DeadLetterReport()
    async with open_dead_letter_topic(settings) as topic:
        if mark:
            with share_bar("purging" if execute else "reading") as watch:
                report = await ActionRunner(settings, topic, selection, Purge(), watch).run(execute=execute)
        if execute or not mark:
            report.deleted = await delete_done(topic, execute=execute)
    return report


def _run(action: Coroutine[Any, Any, DeadLetterReport]) -> DeadLetterReport:
    try:
        return asyncio.run(action)
    except KeyboardInterrupt:
        complain("Stopped. Run it again: what went through is marked, and nothing is done twice.")
        raise typer.Exit(130) from None


def _report(state: str, report: DeadLetterReport, *, execute: bool, as_json: bool) -> None:
    """Print what was done; exit status 1 if anything was refused."""
    if as_json:
        facts = {name: getattr(report, name) for name in ("letters", "reasons", "already", "refused", "deleted")}
        refusals = [{"at": at, "why": why} for at, why in report.refusals]
        print(json.dumps({"executed": execute, "state": state, **facts, "refusals": refusals}))
    else:
        for line in _lines(state, report, execute=execute):
            say(line)
        for at, why in report.refusals:
            complain(f"{at}: {why}.")
        if more := report.refused - len(report.refusals):
            complain(f"and {more} more")
    raise typer.Exit(1 if report.refused else 0)


def _lines(state: str, report: DeadLetterReport, *, execute: bool) -> Iterator[str]:
    would = "" if execute else "would be "
    counts = f": {by_reason(report.reasons)}" if report.letters else ""
    yield f"{counted(report.letters)} {would}{state}{counts}"
    if report.already:
        yield f"{report.already} already redriven or purged"
    if report.deleted:
        yield f"{counted(report.deleted)} {would}deleted from the start of their partitions"
    if not execute and report.letters + report.deleted:
        yield DRY_RUN
