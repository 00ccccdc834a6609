"""`leadart topics`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import DRY_RUN, EnvFile, console, say, settings_from
from consumer.kafka.topics import StartPosition

if TYPE_CHECKING:
    from consumer.kafka.topics import AppliedTopics
    from consumer.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Topics, and the group's starting offsets.")

StartAt = Annotated[
    StartPosition | None, typer.Option(help="Where the group starts in lanes without a committed offset.")
]
Force = Annotated[bool, typer.Option(help="Replace committed offsets as well (a dry run unless --execute is given).")]
Only = Annotated[list[str] | None, typer.Option(help="Set the offset of TOPIC:PARTITION only; may be repeated.")]
Grow = Annotated[bool, typer.Option(help="Add partitions, up to LEADART_TOPICS__PARTITIONS.")]
Execute = Annotated[bool, typer.Option("--execute", help="With --force: apply the changes (default: dry run).")]


@commands.command("apply")
def topics_apply(
    env_file: EnvFile = None,
    start: StartAt = None,
    force: Force = False,
    only: Only = None,
    grow: Grow = False,
    execute: Execute = False,
) -> None:
    """Create missing topics, compare existing ones with the contract, commit the group's starting offsets.

    With --force, nothing is changed unless --execute is given.
    """
    from consumer.kafka.topics import apply

    settings, chosen = settings_from(env_file), frozenset(_partition(name) for name in only or ())
    if start is None and (force or only):
        raise typer.BadParameter("--force and --only set starting offsets: add --start", param_hint="--start")
    dry_run = force and not execute
    if grow:
        _grow(settings, dry_run=dry_run)
    _report(asyncio.run(apply(settings, start, force=force, only=chosen, dry_run=dry_run)), dry_run=dry_run)


def _grow(settings: Settings, *, dry_run: bool) -> None:
    from consumer.admin.growth import grow_topics

    if dry_run:
        say(f"would grow topics with fewer than {settings.topics.partitions} partitions")
        return
    for name, count in asyncio.run(grow_topics(settings)).items():
        say(f"grown     {name} to {count} partitions")


def _report(applied: AppliedTopics, *, dry_run: bool) -> None:
    created, starts = ("would create", "would start") if dry_run else ("created  ", "starts   ")
    for name in applied.created:
        say(f"{created} {name}")
    for name, offset in applied.offsets.items():
        say(f"{starts} {name} at {offset}")
    for line in applied.differing:
        console.print(f"differs   {line}", style="yellow", soft_wrap=True)
    if dry_run:
        say(DRY_RUN)
    elif not applied.created and not applied.offsets:
        say("nothing to do")


@commands.command("forget-progress", hidden=True)  # the former name
@commands.command("reset-offset-metadata")
def topics_reset_offset_metadata(
    partition: Annotated[str, typer.Argument(help="TOPIC:PARTITION of a lane.")], env_file: EnvFile = None
) -> None:
    """Drop the list of records finished above a partition's committed offset, with the workers stopped."""
    from consumer.kafka.topics import reset_offset_metadata

    topic, number = _partition(partition)
    offset = asyncio.run(reset_offset_metadata(settings_from(env_file), topic, number))
    say(f"{partition} starts again at {offset}; what was finished above it is announced once more, under the same ids")


def _partition(name: str) -> tuple[str, int]:
    topic, _, number = name.rpartition(":")
    if not topic or not (number.isascii() and number.isdecimal()):
        raise typer.BadParameter("Write it as TOPIC:PARTITION, such as article-image-requested:3.")
    return topic, int(number)
