"""`leadart dead-letters redrive` and `purge`: dry runs unless `--execute` is given."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer import failpoints
from consumer.cli.dead_letters.options import (
    Article,
    Letters,
    Reason,
    Since,
    Topic,
    Until,
    by_reason,
    counted,
    select,
)
from consumer.cli.shared import DRY_RUN, AsJson, EnvFile, Execute, complain, say, settings_from, share_bar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from consumer.admin.dead_letters.action import DeadLetterReport
    from consumer.admin.dead_letters.selection import Selection
    from consumer.settings import Settings


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
