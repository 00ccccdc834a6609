"""`leadart replay cancel`."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.pause import selector
from consumer.cli.shared import DRY_RUN, EnvFile, Execute, printable, say, settings_from, share_bar

if TYPE_CHECKING:
    from collections import Counter

    from consumer.delivery.controls import Controls, Selector
    from consumer.settings import Settings

Replay = Annotated[str | None, typer.Argument(metavar="ID", help="The replay's id, as `leadart replay` prints it.")]
Lane = Annotated[str | None, typer.Option("--lane", help="Only requests of this lane: backfill or requested.")]
Section = Annotated[str | None, typer.Option("--section", help="Only requests of articles in this section.")]


def cancel(
    replay: Replay = None,
    lane: Lane = None,
    section: Section = None,
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Call off queued requests: each ends as `cancelled`, and workers keep running.

    Called off is what is in the lanes now, retries included, and meets all that is given; what comes later is not.
    """
    settings = settings_from(env_file)
    match = selector(settings, lane=lane, section=section, replay=_id(replay))
    if match is None:
        raise typer.BadParameter("say what to call off: a replay's id, --lane or --section")
    queued = asyncio.run(_run(settings, match, execute=execute))
    if not queued:
        say(f"nothing to do: no request waits that is of {printable(str(match))}")
        return
    waiting = ", ".join(f"{count} in {lane}" for lane, count in sorted(queued.items()))
    say(f"{'called off' if execute else 'would call off'}  {printable(str(match))}: {waiting}")
    if not execute:
        if set(match.named) == {"section"}:
            say("live saves too; add --lane backfill to spare them")
        say(DRY_RUN)


def _id(replay: str | None) -> str | None:
    if replay is not None and not re.fullmatch("[0-9a-f]{16}", replay):
        raise typer.BadParameter(f"{replay[:80]!a} is no replay's id: that is 16 hexadecimal digits.")
    return replay


async def _run(settings: Settings, match: Selector, *, execute: bool) -> Counter[str]:
    """Return how many requests wait, by lane; with `execute`, call them off."""
    from consumer.admin.controls import change_controls, end_replay, lane_ends
    from consumer.admin.queued import count_queued

    if execute and match.replay is not None:
        await end_replay(settings, match.replay)
    with share_bar("reading the lanes") as watch:
        queued = await count_queued(settings, match, watch)
    if execute and queued:
        ends, now_ms = await lane_ends(settings), int(time.time() * 1000)

        def change(shard: int, controls: Controls) -> Controls:
            return controls.cancel(match, ends[shard], now_ms)

        await change_controls(settings, change)
    return queued
