"""`leadart heads`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Table

from consumer.cli.shared import AsJson, EnvFile, console, lay_out, settings_from

commands = typer.Typer(no_args_is_help=True, help="The newest revision that each slot of an article has seen.")

Article = Annotated[str, typer.Argument(help="The article's id.", show_default=False)]
OnlySlot = Annotated[str | None, typer.Option("--slot", help="Only this slot of the article.")]


@commands.command("show")
def heads_show(article: Article, slot: OnlySlot = None, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Show what requests of an article are judged by: an older revision than its slot's head is superseded."""
    from consumer.admin.heads import find_heads

    found = asyncio.run(find_heads(settings_from(env_file), article))
    chosen = [one for one in found if slot in {None, one.slot.name}]
    if as_json:
        rows = [{"slot": one.slot.name, "partition": one.partition, **one.head._asdict()} for one in chosen]
        print(json.dumps({"article": article, "heads": rows}))
        return
    if not chosen:
        console.print(f"no head: the next request of {article} is taken, whatever its revision", markup=False)
        return
    table = Table("slot", "revision", "pictures of", "superseded since", "source", "request", "partition")
    for one in chosen:
        head = one.head
        made = "none" if head.made is None else str(head.made)
        cells = (head.revision, made, head.in_a_row, head.source, head.request_id, one.partition)
        table.add_row(one.slot.name, *(str(cell) for cell in cells))
    lay_out(table)


@commands.command("reset")
def heads_reset(article: Article, slot: OnlySlot = None, env_file: EnvFile = None) -> None:
    """Forget an article's heads, after a revision that was far too high; the workers may go on meanwhile."""
    from consumer.admin.heads import find_heads, reset_heads

    settings = settings_from(env_file)

    async def reset() -> list[str]:
        found = [one for one in await find_heads(settings, article) if slot in {None, one.slot.name}]
        await reset_heads(settings, found)
        return [f"forgot    {one.slot.name}: revision {one.head.revision}" for one in found]

    lines = asyncio.run(reset())
    for line in lines:
        console.print(line, markup=False)
    if not lines:
        console.print("nothing to do: there is no such head")
