"""`leadart replay`: a dry run unless `--execute` is given."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.lanes import lane_base
from consumer.cli.replay import options, output
from consumer.cli.replay.cancel import cancel
from consumer.cli.shared import AsJson, EnvFile, Execute, complain, complaints, settings_from, share_bar
from consumer.errors import LeadartError
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consumer.admin.replay.plan import CostEstimate
    from consumer.admin.replay.reuse import ReuseEstimate
    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.session import ReplaySession
    from consumer.admin.replay.source import RangeSurvey
    from consumer.admin.replay.throttle import Throttle
    from consumer.jobs import Paintable
    from consumer.processing.styles import Styles
    from consumer.settings import Settings


@dataclass(slots=True)
class _Run:
    """The settings and options of a run, and the command that continues it once that is known."""

    settings: Settings
    options: options.ReplayOptions
    rate: float | None
    max_backlog_seconds: float | None
    picture_seconds: float | None
    devices: int
    as_json: bool
    given: Sequence[str]
    resume: str = ""


commands = typer.Typer(invoke_without_command=True)
commands.command("cancel")(cancel)


@commands.callback()
def replay(
    context: typer.Context,
    since: options.Since = None,
    until: options.Until = None,
    env_file: EnvFile = None,
    lane: options.Lane = names.REQUESTED,
    section: options.Section = None,
    style: options.Style = None,
    article: options.Article = None,
    article_file: options.ArticleFile = None,
    failed: options.Failed = False,
    force: options.Force = False,
    name: options.Name = "",
    execute: Execute = False,
    rate: options.Rate = None,
    max_backlog_seconds: options.MaxBacklog = None,
    picture_seconds: options.PictureSeconds = None,
    devices: options.Devices = 1,
    as_json: AsJson = False,
) -> None:
    """Process past requests again: publish the newest of each article and slot to the backfill lane."""
    if context.invoked_subcommand is not None:
        return
    if since is None:
        raise typer.BadParameter("say where to start", param_hint="--from")
    settings = settings_from(env_file)
    base = lane_base(lane, settings.topics)
    chosen = options.filters(section, style, article, article_file, failed=failed)
    ends = options.range_end(since), options.range_end(until) if until is not None else None
    wanted = options.ReplayOptions(*ends, base, chosen, force, name)
    given = options.as_given(rate, max_backlog_seconds, picture_seconds, devices, env_file)
    pace = options.records_per_second(rate)
    run = _Run(settings, wanted, pace, max_backlog_seconds, picture_seconds, devices, as_json, given)
    raise typer.Exit(_exit_status(run, execute=execute))


def _exit_status(run: _Run, *, execute: bool) -> int:
    try:
        return asyncio.run(_execute(run) if execute else _plan(run))
    except KeyboardInterrupt:
        output.print_interrupted(run.resume)
        return 130


async def _plan(run: _Run) -> int:
    from consumer.admin.replay.plan import ReplayPlan
    from consumer.admin.replay.session import open_replay_session

    topics = run.settings.topics
    async with open_replay_session(run.settings, topics.named(run.options.lane)) as session:
        spec, survey = await _survey(session, run)
        reuse, unknown = await _look_up(run.settings, session, spec, survey)
        cost, waiting = await _cost(session, run), await session.waiting()
    plan = ReplayPlan(spec, topics.named(names.BACKFILL), survey, cost, reuse, unknown, waiting)
    output.print_plan(plan, run.resume, as_json=run.as_json)
    return 0


async def _execute(run: _Run) -> int:
    from consumer.admin.replay.session import open_replay_session

    async with open_replay_session(run.settings, run.settings.topics.named(run.options.lane)) as session:
        spec, survey = await _survey(session, run)
        output.print_start(spec, survey, run.resume, as_json=run.as_json)
        throttle = await _throttle(session, survey, run)
        with _count_bar(survey.chosen) as watch:
            report = await session.publish(spec, survey, throttle, watch)
    output.print_report(spec, report, as_json=run.as_json)
    return 1 if report.refused else 0


async def _survey(session: ReplaySession, run: _Run) -> tuple[ReplaySpec, RangeSurvey]:
    from consumer.admin.replay.selection import ReplaySpec

    wanted = run.options
    offsets = await session.source.resolve(wanted.since, wanted.until)
    spec = ReplaySpec(offsets, wanted.filters, wanted.force, wanted.name)
    run.resume = options.resume_command(spec, wanted.lane, run.given)
    with share_bar("reading") as watch:
        return spec, await session.survey(spec, watch)


async def _look_up(
    settings: Settings, session: ReplaySession, spec: ReplaySpec, survey: RangeSurvey
) -> tuple[ReuseEstimate | None, str | None]:
    """Return what the store has already; or why that is unknown: no recipes here, or no store."""
    from consumer.admin.replay.reuse import ReuseLookup
    from consumer.storage import S3Store

    try:
        styles, paintable = await asyncio.to_thread(_styles_and_paintable, settings)
        async with S3Store(settings.storage) as store:
            with share_bar("looking into the store") as watch:
                lookup = ReuseLookup(spec, session.source, store, styles, paintable)
                return await lookup.run(survey.offsets, watch), None
    except LeadartError as error:
        return None, error.message


def _styles_and_paintable(settings: Settings) -> tuple[Styles, Paintable]:
    from consumer.engine.description import describe
    from consumer.processing.styles import load_styles, require_adapters

    styles, paintable = load_styles(settings.styles.file), describe(settings.engine)
    require_adapters(styles.presets.values(), settings.engine.kind, paintable.adapters)
    return styles, paintable


async def _cost(session: ReplaySession, run: _Run) -> CostEstimate:
    from consumer.admin.replay.plan import CostEstimate

    if run.picture_seconds is not None:
        return CostEstimate(run.picture_seconds, None, run.devices, run.rate)
    throughput = await session.throughput()
    return CostEstimate(throughput.engine_seconds, throughput.outcomes or None, run.devices, run.rate)


async def _throttle(session: ReplaySession, survey: RangeSurvey, run: _Run) -> Throttle:
    from consumer.admin.replay.throttle import BacklogLimit, Throttle

    if run.max_backlog_seconds is None or not survey.chosen:
        return Throttle(run.rate)
    seconds = (await _cost(session, run)).picture_seconds
    if seconds is None:
        complain(
            "No recent outcome shows how long a picture takes, so --max-backlog-seconds cannot be kept: add "
            "--picture-seconds, or use --rate."
        )
        raise typer.Exit(1)
    record_seconds = seconds * survey.pictures / survey.chosen / run.devices
    return Throttle(run.rate, BacklogLimit(run.settings, session.lags, record_seconds, run.max_backlog_seconds))


@contextmanager
def _count_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar that counts records and estimates the rest, if standard error is a terminal."""
    columns = (TextColumn("publishing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task("publishing", total=total)
        yield lambda records: bar.advance(task, records)
