"""`leadart replay`: told first, done with `--execute`."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.replay import options, output
from consumer.cli.shared import AsJson, EnvFile, complain, complaints, settings_from
from consumer.errors import LeadartError
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consumer.admin.replay.plan import CostEstimate
    from consumer.admin.replay.reuse import ReuseEstimate
    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.session import ReplaySession
    from consumer.admin.replay.source import Survey
    from consumer.admin.replay.throttle import Throttle
    from consumer.jobs import Paintable
    from consumer.processing.styles import Styles
    from consumer.settings import Settings


@dataclass(slots=True)
class _Run:
    """How it is to be done, and the command that goes on with it, once that is known."""

    rate: float | None
    max_backlog_seconds: float | None
    picture_seconds: float | None
    devices: int
    as_json: bool
    given: Sequence[str]
    resume: str = ""


def replay(
    since: options.Since,
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
    execute: options.Execute = False,
    rate: options.Rate = None,
    max_backlog_seconds: options.MaxBacklog = None,
    picture_seconds: options.PictureSeconds = None,
    devices: options.Devices = 1,
    as_json: AsJson = False,
) -> None:
    """Publish the newest request of each article and slot once more, into the backfill lane; workers may run."""
    from consumer.admin.replay.throttle import parse_rate

    settings = settings_from(env_file)
    base = options.lane_base(lane, settings.topics)
    chosen = options.filters(section, style, article, article_file, failed=failed)
    ends = options.place(since), options.place(until) if until is not None else None
    wanted = options.ReplayOptions(*ends, base, chosen, force, name)
    per_second = options.parsed(parse_rate, rate) if rate is not None else None
    given = options.as_given(rate, max_backlog_seconds, picture_seconds, devices, env_file)
    run = _Run(per_second, max_backlog_seconds, picture_seconds, devices, as_json, given)
    try:
        done = asyncio.run((_execute if execute else _plan)(settings, wanted, run))
    except KeyboardInterrupt:
        output.interrupted(run.resume)
        raise typer.Exit(130) from None
    raise typer.Exit(0 if done else 1)


async def _plan(settings: Settings, wanted: options.ReplayOptions, run: _Run) -> bool:
    from consumer.admin.replay.plan import ReplayPlan
    from consumer.admin.replay.session import open_replay_session

    async with open_replay_session(settings, settings.topics.named(wanted.lane)) as session:
        order, survey = await _surveyed(session, wanted, run)
        made, unknown = await _looked(settings, session, order, survey)
        cost, waiting = await _cost(session, run), await session.waiting()
    plan = ReplayPlan(order, settings.topics.named(names.BACKFILL), survey, cost, made, unknown, waiting)
    output.plan(plan, run.resume, as_json=run.as_json)
    return True


async def _execute(settings: Settings, wanted: options.ReplayOptions, run: _Run) -> bool:
    from consumer.admin.replay.session import open_replay_session

    async with open_replay_session(settings, settings.topics.named(wanted.lane)) as session:
        order, survey = await _surveyed(session, wanted, run)
        output.begins(order, survey, run.resume, as_json=run.as_json)
        pace = await _pace(settings, session, survey, run)
        with _counting(survey.chosen) as watch:
            report = await session.publish(order, survey, pace, watch)
    output.done(order, report, as_json=run.as_json)
    return not report.refused


async def _surveyed(session: ReplaySession, wanted: options.ReplayOptions, run: _Run) -> tuple[ReplaySpec, Survey]:
    order = wanted.order(await session.source.resolve(wanted.since, wanted.until))
    run.resume = options.resume_command(order, wanted.lane, run.given)
    with _share("reading") as watch:
        return order, await session.survey(order, watch)


async def _looked(
    settings: Settings, session: ReplaySession, order: ReplaySpec, survey: Survey
) -> tuple[ReuseEstimate | None, str | None]:
    """Ask the store what is made already; where recipes cannot be named here, or it is away, say why not."""
    from consumer.storage import S3Store

    try:
        styles, paintable = await asyncio.to_thread(_styles_and_paintable, settings)
        async with S3Store(settings.storage) as store:
            with _share("looking into the store") as watch:
                return await session.look(order, survey, store, styles, paintable, watch), None
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


async def _pace(settings: Settings, session: ReplaySession, survey: Survey, run: _Run) -> Throttle:
    from consumer.admin.replay.throttle import BacklogLimit, Throttle

    if run.max_backlog_seconds is None or not survey.chosen:
        return Throttle(run.rate)
    seconds = (await _cost(session, run)).picture_seconds
    if seconds is None:
        complain(
            "No outcome of late tells how long a picture takes, so --max-backlog-seconds cannot be kept: add "
            "--picture-seconds, or use --rate."
        )
        raise typer.Exit(1)
    record_seconds = seconds * survey.pictures / survey.chosen / run.devices
    return Throttle(run.rate, BacklogLimit(settings, session.lags, record_seconds, run.max_backlog_seconds))


@contextmanager
def _share(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error, if a person looks there; what is yielded moves it to a share of the whole."""
    with Progress(console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def _counting(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that counts records and tells how long the rest takes."""
    columns = (TextColumn("publishing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task("publishing", total=total)
        yield lambda records: bar.advance(task, records)
