"""`leadart dead-letters redrive` and `purge`: told first, done with `--execute`."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from consumer import failpoints
from consumer.cli.dead_letters.options import (
    Article,
    Execute,
    Letters,
    Reason,
    Since,
    Topic,
    Until,
    by_reason,
    counted,
    select,
)
from consumer.cli.shared import AsJson, EnvFile, complain, complaints, say, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

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
    """Put the original records back on their lanes, each once however often this runs; workers may run meanwhile.

    Without a choice: all of them, those that must not be tried again on the same version (engine_poison) as well.
    """
    settings = settings_from(env_file)
    selection = select(settings, letters, reason, topic, article, since, until)
    report = _run(_redrive(settings, selection, execute=execute))
    _tell("redriven", report, execute=execute, as_json=as_json)


async def _redrive(settings: Settings, selection: Selection, *, execute: bool) -> DeadLetterReport:
    from consumer.admin.dead_letters.action import ActionRunner
    from consumer.admin.dead_letters.redrive import Redrive
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    failpoints.use(settings.worker.failpoints)
    async with open_dead_letter_topic(settings) as topic:
        action = await Redrive.prepare(settings, topic)
        with _progress("redriving" if execute else "reading") as watch:
            return await ActionRunner(settings, topic, selection, action, watch).run(execute=execute)


def purge(
    letters: Letters = None,
    env_file: EnvFile = None,
    reason: Reason = None,
    topic: Topic = None,
    article: Article = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--every", help="All letters that nothing was done about.")] = False,
    done: Annotated[bool, typer.Option("--done", help="None; only delete what is redriven or purged already.")] = False,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Give letters up, and delete those that are done with from the start of each partition."""
    settings = settings_from(env_file)
    selection = select(settings, letters, reason, topic, article, since, until)
    if [not selection.is_everything, every, done].count(True) != 1:
        raise typer.BadParameter("Say which letters: filters, PARTITION:OFFSET, --every, or --done.")
    report = _run(_purge(settings, selection, mark=not done, execute=execute))
    _tell("purged", report, execute=execute, as_json=as_json)


async def _purge(settings: Settings, selection: Selection, *, mark: bool, execute: bool) -> DeadLetterReport:
    from consumer.admin.dead_letters.action import ActionRunner, DeadLetterReport
    from consumer.admin.dead_letters.purge import Purge, delete_done
    from consumer.admin.dead_letters.topic import open_dead_letter_topic

    failpoints.use(settings.worker.failpoints)
    report = DeadLetterReport()
    async with open_dead_letter_topic(settings) as topic:
        if mark:
            with _progress("purging" if execute else "reading") as watch:
                report = await ActionRunner(settings, topic, selection, Purge(), watch).run(execute=execute)
        if execute or not mark:
            report.deleted = await delete_done(topic, execute=execute)
    return report


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error, if a person looks there; what is yielded moves it."""
    with Progress(console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _run(work: Coroutine[Any, Any, DeadLetterReport]) -> DeadLetterReport:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        complain("Stopped. Run it again: what went through is marked, and nothing is doubled.")
        raise typer.Exit(130) from None


def _tell(state: str, report: DeadLetterReport, *, execute: bool, as_json: bool) -> None:
    """Say what was done; exit status 1 if anything could not be."""
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
            complain(f"and {counted(more)} more")
    raise typer.Exit(1 if report.refused else 0)


def _lines(state: str, report: DeadLetterReport, *, execute: bool) -> Iterator[str]:
    would = "" if execute else "would be "
    counts = f": {by_reason(report.reasons)}" if report.letters else ""
    yield f"{counted(report.letters)} {would}{state}{counts}"
    if report.already:
        yield f"{report.already} were redriven or purged before"
    if report.deleted:
        yield f"{counted(report.deleted)} {would}deleted from the start of their partitions"
    if not execute and report.letters + report.deleted:
        yield "nothing was changed; --execute does it"
