"""`leadart heads`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from consumer.cli.shared import DRY_RUN, AsJson, EnvFile, Execute, lay_out, say, settings_from

if TYPE_CHECKING:
    from consumer.admin.heads import StoredHead
    from consumer.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="The newest revision of each slot of an article.")

Article = Annotated[str, typer.Argument(help="Article id.", show_default=False)]
OnlySlot = Annotated[str | None, typer.Option("--slot", help="Only this slot of the article.")]


@commands.command("show")
def heads_show(article: Article, slot: OnlySlot = None, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Show an article's heads: a request with an older revision than its slot's head is superseded."""
    heads = asyncio.run(_find(settings_from(env_file), article, slot))
    if as_json:
        rows = [{"slot": one.slot.name, "partition": one.partition, **one.head._asdict()} for one in heads]
        print(json.dumps({"article": article, "heads": rows}))
        return
    if not heads:
        say(f"no head: the next request of {article} is accepted, whatever its revision")
        return
    table = Table("slot", "revision", "pictures of", "superseded since", "source", "request", "partition")
    for one in heads:
        head = one.head
        made = "none" if head.made is None else str(head.made)
        cells = (head.revision, made, head.in_a_row, head.source, head.request_id, one.partition)
        table.add_row(one.slot.name, *(str(cell) for cell in cells))
    lay_out(table)


@commands.command("reset")
def heads_reset(article: Article, slot: OnlySlot = None, env_file: EnvFile = None, execute: Execute = False) -> None:
    """Delete an article's heads, after a revision that was far too high; workers may keep running."""
    from consumer.admin.heads import reset_heads

    settings = settings_from(env_file)

    async def reset() -> list[StoredHead]:
        heads = await _find(settings, article, slot)
        if execute:
            await reset_heads(settings, heads)
        return heads

    heads = asyncio.run(reset())
    for one in heads:
        say(f"{'deleted' if execute else 'would delete'}  {one.slot.name}: revision {one.head.revision}")
    if not heads:
        say("nothing to do: there is no such head")
    elif not execute:
        say(DRY_RUN)


async def _find(settings: Settings, article: str, slot: str | None) -> list[StoredHead]:
    from consumer.admin.heads import find_heads

    return [one for one in await find_heads(settings, article) if slot in {None, one.slot.name}]
