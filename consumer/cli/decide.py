"""`leadart choose`, `withdraw` and `restore`: what editors decide, for whoever has no CMS at hand."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from consumer.cli.publish import Timeout, publish_and_report
from consumer.cli.shared import DRY_RUN, EnvFile, Execute, complain, printable, say, settings_from
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.admin.rehearsal import DecisionRehearsal, Rehearsal
    from consumer.kafka.announced import AnnouncedEvent
    from consumer.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEARCHED = 1000
"""Outcomes of the article that a picture is looked for in."""

Article = Annotated[str, typer.Argument(help="Article id.", show_default=False)]
AnySlot = Annotated[str | None, typer.Option("--slot", help="Only this slot. [default: all of the article]")]
Reason = Annotated[str | None, typer.Option(help="Why, for people.")]


def choose(
    article: Article,
    picture: Annotated[str | None, typer.Argument(help="SHA-256 of an announced picture.", show_default=False)] = None,
    slot: Annotated[str, typer.Option(help="The place in the article.")] = "hero",
    let_go: Annotated[bool, typer.Option("--let-go", help="Let go of the choice instead.")] = False,
    external: Annotated[bool, typer.Option("--external", help="Declare a picture of the site's own instead.")] = False,
    alt: Annotated[str | None, typer.Option(help="The text alternative.")] = None,
    caption: Annotated[str | None, typer.Option(help="The caption.")] = None,
    by: Annotated[str | None, typer.Option(help="Who chose.")] = None,
    timeout: Timeout = timedelta(minutes=5),
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Keep a picture in a slot, whatever is saved later, and print the outcome.

    Exit status: 0 if the slot keeps it, or would; 1 if not; 3 if no outcome came in time.
    """
    if [picture is not None, let_go, external].count(True) != 1:
        raise typer.BadParameter("name a picture, or say --let-go or --external: one of the three")
    if picture is not None and not _DIGEST.fullmatch(picture):
        raise typer.BadParameter(
            "write the 64 hexadecimal digits of `sha256`: leadart outcomes ARTICLE --json", param_hint="PICTURE"
        )
    settings = settings_from(env_file)
    rehearsal = asyncio.run(_rehearsal(settings, article))
    named = {"sha256": picture} if picture else None
    given = {"external": external or None, "alt": alt, "caption": caption, "chosen_by": by}
    data = {
        "article": {"id": article, "revision": rehearsal.revision(slot)},
        "slot": slot,
        "picture": named,
        **{name: value for name, value in given.items() if value is not None},
    }
    if execute:
        _publish(settings, names.IMAGE_CHOSEN, data, timeout)
    elif picture:
        _print(rehearsal.choose(slot, picture, asyncio.run(_outcomes(settings, article))))
    else:
        _print(rehearsal.let_go(slot) if let_go else rehearsal.declare(slot))


def withdraw(
    article: Article,
    slot: AnySlot = None,
    reason: Reason = None,
    timeout: Timeout = timedelta(minutes=5),
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Take an article down, or one slot of it: its pictures are deleted, and it gets no more until it is restored.

    Exit status: 0 once they are deleted, 1 if they will not be, 3 if no outcome came in time.
    """
    settings = settings_from(env_file)
    if execute:
        data = {"article": {"id": article}, "slot": slot, "reason": reason}
        _publish(settings, names.ARTICLE_WITHDRAWN, data, timeout)
    else:
        _print(asyncio.run(_rehearsal(settings, article)).withdraw(slot))


def restore(
    article: Article,
    slot: AnySlot = None,
    reason: Reason = None,
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Let an article that was withdrawn have pictures again: those of its next request.

    Exit status: 1 if that would fail.
    """
    settings = settings_from(env_file)
    if execute:
        data = {"article": {"id": article}, "slot": slot, "reason": reason}
        _publish(settings, names.ARTICLE_RESTORED, data, timedelta())
    else:
        _print(asyncio.run(_rehearsal(settings, article)).restore(slot))


def _publish(settings: Settings, event_type: str, data: dict[str, Any], timeout: timedelta) -> None:
    from consumer.kafka.cms_client import request_event

    publish_and_report(settings, request_event(data, str(uuid4()), event_type=event_type), timeout)


def _print(rehearsed: Rehearsal) -> None:
    """Print what would happen. Raises `typer.Exit` if it would be refused."""
    if rehearsed.refused:
        complain(printable(f"it would fail: {rehearsed.refused}"))
        raise typer.Exit(1)
    for effect in rehearsed.effects:
        say(printable(f"would {effect}"))
    if rehearsed.known:
        say(printable(rehearsed.known))
    say(DRY_RUN)


async def _rehearsal(settings: Settings, article: str) -> DecisionRehearsal:
    from consumer.admin.heads import find_heads
    from consumer.admin.rehearsal import DecisionRehearsal

    return DecisionRehearsal(article, await find_heads(settings, article))


async def _outcomes(settings: Settings, article: str) -> Sequence[AnnouncedEvent]:
    from consumer.kafka.outcome_search import recent_outcomes

    return (await recent_outcomes(settings, _SEARCHED, article)).outcomes
