"""`leadart topics`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from consumer.cli.shared import EnvFile, console, settings_from
from consumer.kafka.topics import Start

commands = typer.Typer(no_args_is_help=True, help="Topics and the group's starting offsets.")


@commands.command("apply")
def topics_apply(
    env_file: EnvFile = None,
    start: Annotated[Start | None, typer.Option(help="Where the group begins in lanes it never committed.")] = None,
    force: Annotated[bool, typer.Option(help="Set the starting offsets even where there are some.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Set the starting offset of TOPIC:PARTITION only; may be repeated.")
    ] = None,
    grow: Annotated[bool, typer.Option(help="Add partitions, up to LEADART_TOPICS__PARTITIONS.")] = False,
) -> None:
    """Create missing topics, compare existing ones, commit the group's starting offsets."""
    from consumer.admin.growth import grow_topics
    from consumer.kafka.topics import apply

    settings = settings_from(env_file)
    if start is None and (force or only):
        raise typer.BadParameter(
            "--force and --only are about starting offsets: say --start, too", param_hint="--start"
        )
    if grow:
        for name, count in asyncio.run(grow_topics(settings)).items():
            console.print(f"grown     {name} to {count} partitions")
    chosen = frozenset(_partition(name) for name in only or ())
    applied = asyncio.run(apply(settings, start, force=force, only=chosen))
    for name in applied.created:
        console.print(f"created   {name}")
    for name, offset in applied.offsets.items():
        console.print(f"starts    {name} at {offset}")
    for line in applied.differing:
        console.print(f"differs   {line}", style="yellow", markup=False)
    if not applied.created and not applied.offsets:
        console.print("nothing to do")


@commands.command("forget-progress")
def topics_forget(partition: Annotated[str, typer.Argument(help="TOPIC:PARTITION")], env_file: EnvFile = None) -> None:
    """Drop what is recorded as finished above a partition's committed offset, with the workers stopped."""
    from consumer.kafka.topics import forget_progress

    topic, number = _partition(partition)
    offset = asyncio.run(forget_progress(settings_from(env_file), topic, number))
    console.print(f"{partition} starts again at {offset}; what was finished above is announced once more, same ids")


def _partition(name: str) -> tuple[str, int]:
    topic, _, number = name.rpartition(":")
    if not topic or not number.isdecimal():
        raise typer.BadParameter("Write it as TOPIC:PARTITION, such as article-image-requested:3.")
    return topic, int(number)
