"""`leadart pause` and `leadart resume`."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.lanes import lane_base
from consumer.cli.shared import DRY_RUN, AsJson, EnvFile, Execute, printable, say, settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.admin.controls import ControlsChange, SpreadControl
    from consumer.delivery.controls import Controls, Selector
    from consumer.settings import Settings

Lane = Annotated[str | None, typer.Option("--lane", help="Requests of this lane, such as backfill.")]
Section = Annotated[str | None, typer.Option("--section", help="Requests of articles in this section.")]
Source = Annotated[str | None, typer.Option("--source", help="Requests of this CloudEvents source.")]


def pause(
    lane: Lane = None,
    section: Section = None,
    source: Source = None,
    env_file: EnvFile = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Hold matching requests until they are resumed; without a choice, list what is paused or being called off.

    Several options together hold only requests that meet all of them. Workers keep running.
    """
    settings = settings_from(env_file)
    match = selector(settings, lane=lane, section=section, source=source)
    if match is None:
        _list(settings, as_json=as_json)
        return
    now_ms = int(time.time() * 1000)
    written = _apply(settings, lambda _shard, controls: controls.pause(match, now_ms), execute=execute)
    if not written:
        say(f"nothing to do: {printable(str(match))} is paused already")
        return
    _report("paused" if execute else "would pause", match, written, execute=execute)


def resume(
    lane: Lane = None,
    section: Section = None,
    source: Source = None,
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Let requests go on that `leadart pause` holds: give the options that it was given."""
    settings = settings_from(env_file)
    match = selector(settings, lane=lane, section=section, source=source)
    if match is None:
        raise typer.BadParameter("say what to resume, as `leadart pause` lists it: --lane, --section or --source")
    written = _apply(settings, lambda _shard, controls: controls.resume(match), execute=execute)
    if not written:
        say(f"nothing to do: {printable(str(match))} is not paused; `leadart pause` lists what is")
        return
    _report("resumed" if execute else "would resume", match, written, execute=execute)


def selector(settings: Settings, *, lane: str | None, **named: str | None) -> Selector | None:
    """Return what the options name, None if that is nothing. Raises `typer.BadParameter`."""
    from consumer.delivery.controls import LONGEST_NAME, Selector

    topic = settings.topics.named(lane_base(lane, settings.topics)) if lane is not None else None
    given = {name: value for name, value in {"lane": topic, **named}.items() if value is not None}
    for name, value in given.items():
        if not 0 < len(value) <= LONGEST_NAME:
            raise typer.BadParameter(f"--{name} has {len(value)} characters: give 1 to {LONGEST_NAME}")
    return Selector(**given) if given else None


def _apply(settings: Settings, change: ControlsChange, *, execute: bool) -> int:
    """Change the controls, or only count the shards where that would change something."""
    from consumer.admin.controls import change_controls, shard_controls

    if execute:
        return asyncio.run(change_controls(settings, change))
    known: Sequence[Controls] = asyncio.run(shard_controls(settings))
    return sum(change(shard, controls) != controls for shard, controls in enumerate(known))


def _report(done: str, match: Selector, shards: int, *, execute: bool) -> None:
    say(f"{done}  {printable(str(match))} ({shards} shard{'' if shards == 1 else 's'})")
    if not execute:
        say(DRY_RUN)


def _list(settings: Settings, *, as_json: bool) -> None:
    from consumer.admin.controls import finished_below, shard_controls, spread

    shards = asyncio.run(shard_controls(settings))
    called_off = any(each.cancels for each in shards)
    found = spread(shards, asyncio.run(finished_below(settings)) if called_off else [{}] * len(shards))
    if as_json:
        print(json.dumps({"shards": len(shards), "controls": [_row(each) for each in found]}))
        return
    standing = [each for each in found if not each.history]
    for each in standing:
        row = _row(each)
        where = "" if len(each.shards) == len(shards) else f", only in shards {list(each.shards)} of {len(shards)}"
        repair = "; the command was cut off: run it again" if where else ""
        say(f"{row['state']}  {printable(str(each.control.match))}, {row['at']}{where}{repair}")
    if not standing:
        say("nothing is paused")
    if len(found) > len(standing):
        say(f"called off before, and finished since: {len(found) - len(standing)} (--json lists them)")


def _row(each: SpreadControl) -> dict[str, object]:
    from consumer.delivery.controls import Pause

    control = each.control
    state, at = ("paused", control.since) if isinstance(control, Pause) else ("called off", control.at)
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
    return {
        "state": state,
        "match": control.match.named,
        "at": moment,
        "shards": list(each.shards),
        "history": each.history,
    }
