"""`leadart heads`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from consumer.cli.shared import DRY_RUN, AsJson, EnvFile, Execute, lay_out, printable, say, settings_from

if TYPE_CHECKING:
    from consumer.admin.heads import StoredHead
    from consumer.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="What is remembered of each slot of an article.")

Article = Annotated[str, typer.Argument(help="Article id.", show_default=False)]
OnlySlot = Annotated[str | None, typer.Option("--slot", help="Only this slot of the article.")]


@commands.command("show")
def heads_show(article: Article, slot: OnlySlot = None, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Show an article's slots: their newest revision, their last ordinal, and what editors decided.

    A request with an older revision is superseded. The slot "" stands for the whole article.
    """
    from consumer.admin.heads import decision_in_words

    heads = asyncio.run(_find(settings_from(env_file), article, slot))
    if as_json:
        print(json.dumps({"article": article, "heads": [_row(one) for one in heads]}))
        return
    if not heads:
        say(f"no head: the next request of {article} is accepted, whatever its revision")
        return
    columns = ("slot", "revision", "pictures of", "superseded since", "ordinal", "variation", "decided")
    table = Table(*columns, "source", "request", "partition")
    for one in heads:
        head = one.head
        made = "none" if head.made is None else head.made
        numbers = (head.revision, made, head.in_a_row, head.ordinal, head.variation)
        cells = (_name(one), *numbers, decision_in_words(head.editorial), head.source, head.request_id, one.partition)
        table.add_row(*(printable(str(cell)) for cell in cells))
    lay_out(table)


@commands.command("reset")
def heads_reset(article: Article, slot: OnlySlot = None, env_file: EnvFile = None, execute: Execute = False) -> None:
    """Forget the revision of an article's slots, after one that was far too high; workers may keep running.

    What editors decided stays, and so do the ordinals.
    """
    from consumer.admin.heads import forget_revision, reset_heads

    settings = settings_from(env_file)

    async def reset() -> list[StoredHead]:
        found = await _find(settings, article, slot)
        heads = [one for one in found if one.head != forget_revision(one.head)]
        if execute:
            await reset_heads(settings, heads)
        return heads

    heads = asyncio.run(reset())
    for one in heads:
        say(f"{'forgot' if execute else 'would forget'}  {_name(one)}: revision {one.head.revision}")
    if not heads:
        say("nothing to do: there is no such head, or it has no revision")
    elif not execute:
        say(DRY_RUN)


async def _find(settings: Settings, article: str, slot: str | None) -> list[StoredHead]:
    from consumer.admin.heads import find_heads

    return [one for one in await find_heads(settings, article) if slot in {None, one.slot.name}]


def _row(one: StoredHead) -> dict[str, Any]:
    head = one.head
    accepted = [each._asdict() for each in head.accepted]
    editorial = head.editorial.model_dump(mode="json", exclude_none=True)
    return {
        "slot": one.slot.name,
        "partition": one.partition,
        **head._asdict(),
        "accepted": accepted,
        "editorial": editorial,
    }


def _name(one: StoredHead) -> str:
    return one.slot.name or "all slots"
