"""`leadart trace`."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from consumer.cli.shared import (
    AsJson,
    EnvFile,
    complain,
    lay_out,
    parsed,
    printable,
    say,
    sentence_of,
    settings_from,
    share_bar,
    time_span,
)
from consumer.delivery.ports import BusError
from consumer.errors import LeadartError

if TYPE_CHECKING:
    from consumer.admin.trace.search import TraceQuery
    from consumer.admin.trace.timeline import SearchFacts, Timeline
    from consumer.settings import Settings


def trace(
    article: Annotated[str | None, typer.Argument(help="Article id.", show_default=False)] = None,
    request: Annotated[str, typer.Option("--request", help="Event id of a request: instead of the article.")] = "",
    since: Annotated[
        str | None,
        typer.Option(help="Read no older records: ISO 8601 with time zone, or an age. [default: all that there are]"),
    ] = None,
    all_partitions: Annotated[
        bool, typer.Option("--all-partitions", help="Read all partitions, not only the one of the key by murmur2.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the stored files and compare their digests, not only their sizes.")
    ] = False,
    timeout: Annotated[
        timedelta,
        typer.Option(
            parser=time_span, help="Longest time that reading the topics may take.", show_default="10 minutes"
        ),
    ] = timedelta(minutes=10),
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of an article, and why it has no picture; works while the workers run, or are down.

    The exit status is 0 if every slot has its picture, 1 if not, 2 if that could not be found out.
    """
    from consumer.admin.trace.search import TraceQuery

    if bool(article) == bool(request):
        raise typer.BadParameter("give an article id, or a request's event id with --request")
    settings = settings_from(env_file)
    query = TraceQuery(article or "", request, _since_ms(since), all_partitions, verify, timeout.total_seconds())
    raise typer.Exit(_exit_status(settings, query, as_json=as_json))


def _since_ms(text: str | None) -> int:
    from consumer.settings.time_spans import parse_moment

    if text is None:
        return 0
    return max(0, int(parsed(lambda since: parse_moment(since, datetime.now(UTC)), text).timestamp() * 1000))


def _exit_status(settings: Settings, query: TraceQuery, *, as_json: bool) -> int:
    from consumer.admin.trace.explanation import explain
    from consumer.admin.trace.rows import trace_values

    try:
        timeline = asyncio.run(_trace(settings, query))
    except (LeadartError, BusError, OSError, BaseExceptionGroup) as error:
        if (sentence := sentence_of(error)) is None:
            raise
        complain(sentence)
        return 2
    answer = explain(timeline, int(time.time() * 1000), query.request_id)
    if as_json:
        print(json.dumps({**trace_values(timeline), "picture": answer.picture, "answer": answer.sentence}))
    else:
        _print(timeline)
        say(printable(answer.sentence))
    return 0 if answer.picture else 1


async def _trace(settings: Settings, query: TraceQuery) -> Timeline:
    from consumer.admin.trace.tracing import trace as traced

    with share_bar("reading") as share:
        return await traced(settings, query, share)


def _print(timeline: Timeline) -> None:
    from consumer.admin.trace.rows import trace_rows

    rows = trace_rows(timeline)
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("time (UTC)", "where", "what"):
            table.add_column(title)
        for row in rows:
            table.add_row(*(printable(cell) for cell in (row.time, row.where, row.what)))
        lay_out(table)
    if timeline.store.problem:
        say(f"the store did not answer: {printable(timeline.store.problem)}")
    say(_read(timeline.search))


def _read(search: SearchFacts) -> str:
    """Return what was read, for whoever misses a record."""
    which = f"{len(search.partitions)} partition{'' if len(search.partitions) == 1 else 's'}"
    if search.partitions == (search.home,):
        which = f"partition {search.home}, where the key belongs by murmur2 (--all-partitions reads the others)"
    elif search.elsewhere:
        which = f"all partitions: there was nothing in {search.home}, where the key belongs by murmur2"
    left_out = f"; {search.left_out} older ones are not listed" if search.left_out else ""
    return f"read {search.records} records of {which}{left_out}"
