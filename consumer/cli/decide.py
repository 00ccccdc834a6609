"""`leadart choose`, `withdraw` and `restore`: what editors decide, for whoever has no CMS at hand."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from consumer.cli.publish import Timeout, publish_and_report
from consumer.cli.shared import DRY_RUN, EnvFile, Execute, printable, say, settings_from
from schemas import names

if TYPE_CHECKING:
    from consumer.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")

Article = Annotated[str, typer.Argument(help="Article id.", show_default=False)]
AnySlot = Annotated[str | None, typer.Option("--slot", help="Only this slot. [default: all of the article]")]
Reason = Annotated[str | None, typer.Option(help="Why, for people.")]
By = Annotated[str | None, typer.Option(help="Who decided.")]


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

    Exit status: 0 if the slot keeps it, 1 if not, 3 if no outcome came in time.
    """
    if [picture is not None, let_go, external].count(True) != 1:
        raise typer.BadParameter("name a picture, or say --let-go or --external: one of the three")
    if picture is not None and not _DIGEST.fullmatch(picture):
        raise typer.BadParameter(
            "write the 64 hexadecimal digits of `sha256`: leadart outcomes ARTICLE --json", param_hint="PICTURE"
        )
    settings = settings_from(env_file)
    revision = asyncio.run(_slots(settings, article)).get(slot, 0)
    named = {"sha256": picture} if picture else None
    given = {"external": external or None, "alt": alt, "caption": caption, "chosen_by": by}
    data = {
        "article": {"id": article, "revision": revision},
        "slot": slot,
        "picture": named,
        **{name: value for name, value in given.items() if value is not None},
    }
    done = "let go of the choice" if let_go else "keep the site's own picture" if external else f"keep {picture}"
    _decide(settings, names.IMAGE_CHOSEN, data, [f"{done} in {slot} (revision {revision})"], timeout, execute=execute)


def withdraw(
    article: Article,
    slot: AnySlot = None,
    reason: Reason = None,
    by: By = None,
    timeout: Timeout = timedelta(minutes=5),
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Take an article down, or one slot of it: its pictures are deleted, and it gets no more until it is restored.

    Exit status: 0 once they are deleted, 1 if they will not be, 3 if no outcome came in time.
    """
    settings = settings_from(env_file)
    known = asyncio.run(_slots(settings, article))
    slots = sorted(known) if slot is None else [slot]
    plan = [f"delete the pictures of {each} (revision {known.get(each, 'none')})" for each in slots]
    data = {"article": {"id": article}, "slot": slot, "reason": reason, **({"withdrawn_by": by} if by else {})}
    _decide(settings, names.ARTICLE_WITHDRAWN, data, plan or ["make no pictures"], timeout, execute=execute)


def restore(
    article: Article,
    slot: AnySlot = None,
    reason: Reason = None,
    by: By = None,
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Let an article that was withdrawn have pictures again: those of its next request."""
    data = {"article": {"id": article}, "slot": slot, "reason": reason, **({"restored_by": by} if by else {})}
    plan = [f"open {slot or 'all slots'} to new requests"]
    _decide(settings_from(env_file), names.ARTICLE_RESTORED, data, plan, timedelta(), execute=execute)


def _decide(
    settings: Settings, event_type: str, data: dict[str, Any], plan: list[str], timeout: timedelta, *, execute: bool
) -> None:
    from consumer.kafka.cms_client import request_event

    if not execute:
        for line in plan:
            say(printable(f"would {line}"))
        say(DRY_RUN)
        return
    publish_and_report(settings, request_event(data, str(uuid4()), event_type=event_type), timeout)


async def _slots(settings: Settings, article: str) -> dict[str, int]:
    """Return the newest revision of each of the article's slots."""
    from consumer.admin.heads import find_heads

    return {one.slot.name: one.head.revision for one in await find_heads(settings, article) if one.slot.name}
