"""`leadart store`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal

from consumer.cli.shared import AsJson, EnvFile, complain, console, say, settings_from, share_bar, time_span
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from consumer.settings import Settings, StorageSettings
    from consumer.storage.archive import Sweep, SweepReport, Unchosen, UnchosenRule

commands = typer.Typer(no_args_is_help=True, help="The object store.")


@commands.command("prepare")
def store_prepare(
    env_file: EnvFile = None,
    public: Annotated[bool, typer.Option(help="Let anyone read the pictures (never the manifests).")] = False,
) -> None:
    """Create the bucket if it is missing, and check that it is usable."""
    from consumer.storage import S3Store

    settings = settings_from(env_file)

    async def prepare() -> list[str]:
        async with S3Store(settings.storage) as store:
            await store.prepare(create=True, public=public)
            return await store.examine()

    for shortcoming in asyncio.run(prepare()):
        complain(shortcoming)
    console.print(f"bucket {settings.storage.bucket} is ready")


@commands.command("index")
def store_index(
    env_file: EnvFile = None,
    users: Annotated[
        bool, typer.Option("--users", help="Write down who shows which picture instead, as outcomes on the bus tell.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the missing index entries, by which pictures are found by their SHA-256; interrupt and repeat it freely.

    For an archive from before there was an index, or before withdrawals (--users): workers write the entries of each
    new picture themselves.
    """
    from consumer.storage.archive import IndexReport, index_pictures, open_archive

    settings = settings_from(env_file)
    if users:
        asyncio.run(_enter_users(settings, dry_run=dry_run, as_json=as_json))
        return

    async def index() -> IndexReport:
        with share_bar("index") as share:
            async with open_archive(settings.storage) as archive:
                return await index_pictures(archive, apply=not dry_run, share=share)

    report = asyncio.run(index())
    if as_json:
        print(json.dumps({"dry_run": dry_run, **asdict(report)}))
        return
    say(f"{report.pictures} pictures, {report.missing} index entries {'missing' if dry_run else 'written'}")
    _say_unreadable(report.unreadable)


async def _enter_users(settings: Settings, *, dry_run: bool, as_json: bool) -> None:
    from consumer.admin.picture_users import announced_uses, enter_uses
    from consumer.storage import S3Store

    with share_bar("outcomes") as share:
        uses = await announced_uses(settings, share)
    async with S3Store(settings.storage) as store:
        report = await enter_uses(store, uses, apply=not dry_run)
    if as_json:
        print(json.dumps({"dry_run": dry_run, **asdict(report)}))
        return
    done = "would be written" if dry_run else "written"
    say(f"{report.announced} uses announced, {report.entered} {done} beside those in manifests, {report.gone} are gone")


@commands.command("sweep")
def store_sweep(
    unchosen: Annotated[
        bool, typer.Option("--unchosen", help="Pictures of several variants that nobody chose.")
    ] = False,
    older_than: Annotated[timedelta, typer.Option(parser=time_span, help="Painted longer ago than this.")] = timedelta(
        days=30
    ),
    apply: Annotated[bool, typer.Option("--apply", "--execute", help="Delete them (default: dry run).")] = False,
    grace: Annotated[
        timedelta,
        typer.Option(
            parser=time_span,
            help="Time between deleting manifests and objects: requests that have found a picture finish meanwhile.",
            show_default="60 seconds",
        ),
    ] = timedelta(seconds=60),
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete pictures that nobody needs, with all their renditions; interrupt and repeat it freely.

    Needs rights that a worker's keys should not have: see docs/operations/access.md.
    """
    from consumer.storage.archive import UnchosenRule

    if not unchosen:
        raise typer.BadParameter("say what to delete: --unchosen", param_hint="--unchosen")
    settings = settings_from(env_file)
    rule = UnchosenRule(datetime.now(UTC) - older_than, _thumbs(settings.renditions.file))
    asyncio.run(_sweep(settings.storage, rule, grace, apply=apply, as_json=as_json))


def _thumbs(file: Path | None) -> frozenset[str]:
    """Return the sets that every variant gets. Raises `Fatal` if a slot's chosen picture gets no others."""
    from consumer.pictures.rendition_file import load_renditions

    site = load_renditions(file)
    thumbs = frozenset([site.thumb] if site.thumb else ())
    if all(each.name in thumbs or each.name in site.slots for each in site.sets):
        raise Fatal(
            Reason.MISCONFIGURED,
            "some slots get no rendition set but the thumbs, so what an editor chose for them looks like what nobody "
            "chose: let every slot get another set, in the file of LEADART_RENDITIONS__FILE",
        )
    return thumbs


async def _sweep(
    settings: StorageSettings, rule: UnchosenRule, grace: timedelta, *, apply: bool, as_json: bool
) -> None:
    from consumer.storage.archive import Sweep, open_archive

    async with open_archive(settings) as archive:
        sweep = Sweep(archive, rule, grace)
        with share_bar("sweep") as share:
            found = await sweep.find(share)
        if not as_json:
            _say_found(found, apply=apply)
        if apply:
            await sweep.withdraw(found)
            if not as_json:
                say(f"manifests are deleted; objects follow in {grace.total_seconds():g} s, or with the next run")
            report, left = await sweep.finish(), 0
        else:
            report, left = await sweep.preview(found), len(await sweep.interrupted())
    if as_json:
        print(json.dumps(_facts(sweep, found, report, apply=apply, interrupted=left)))
        return
    _say_report(sweep, report, apply=apply, interrupted=left)


def _say_found(found: Sequence[Unchosen], *, apply: bool) -> None:
    for each in found:
        size = decimal(sum(each.objects.values()))
        say(
            f"{'delete' if apply else 'would delete'}  {each.sha256}  painted {each.created:%Y-%m-%d}  "
            f"{len(each.objects)} objects, {size}"
        )


def _say_report(sweep: Sweep, report: SweepReport, *, apply: bool, interrupted: int) -> None:
    survey = sweep.survey
    deletes = "deleted" if apply else "would delete"
    say(f"{deletes} {report.pictures} of {survey.pictures} pictures: {report.objects} objects, {decimal(report.bytes)}")
    for number, what in (
        (report.named, "objects stay: other pictures have the same bytes"),
        (report.restored, "pictures were chosen meanwhile and are back"),
        (report.withdrawn, f"pictures of withdrawn articles {'were left, and are' if apply else 'would be'} deleted"),
        (survey.without_asked, "pictures do not say how many variants they were one of, and stay"),
        (interrupted, "pictures of an interrupted run wait to be finished with --apply"),
    ):
        if number:
            say(f"{number} {what}")
    _say_unreadable(survey.unreadable)
    if sweep.more:
        say("there are more: run it again")
    if not apply:
        say("dry run: nothing was deleted; add --apply to delete")


def _say_unreadable(number: int) -> None:
    if number:
        complain(f"{number} manifests cannot be read, and their pictures are left as they are")


def _facts(
    sweep: Sweep, found: Sequence[Unchosen], report: SweepReport, *, apply: bool, interrupted: int
) -> dict[str, Any]:
    names = {"recipe", "sha256", "created", "objects"}
    return {
        "dry_run": not apply,
        **asdict(report),
        "surveyed": asdict(sweep.survey),
        "more": sweep.more,
        "interrupted": interrupted,
        "found": [each.model_dump(mode="json", include=names) for each in found],
    }
