"""What the demo prints: a live table on a terminal, plain lines elsewhere, and the final table on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from consumer.dev.demo.tickets import EditionDesk, SaveTicket

WAITING = frozenset({"accepted", "started"})
"""Stages of progress in which nothing is painted yet: the desk calls them queued."""

_BAR = 12
_LEAST_WIDTH, _MOST_WIDTH = 16, 44
_STATE_WIDTH, _OUTCOME_WIDTH = 58, 52  # columns that the rest of the live table, and of the final one, take
_LINE_WIDTH = 120


class DemoScreen(Protocol):
    """Shows what happens to the tickets."""

    def print_line(self, text: str) -> None:
        """Print a line about the run as a whole."""

    def changed(self, ticket: SaveTicket) -> None:
        """Show that a record about this ticket has arrived."""


class PlainScreen:
    """Prints a line for every change of a ticket's state, but not for steps."""

    def __init__(self, console: Console, desk: EditionDesk) -> None:
        self._console = console
        self._desk = desk
        self._states: dict[str, str] = {}

    def print_line(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def changed(self, ticket: SaveTicket) -> None:
        """Print a line when the ticket has reached another state."""
        state = ticket.outcome or (_under_way(ticket.progress.stage) if ticket.progress else "published")
        if self._states.get(ticket.save.event.id) == state:
            return
        self._states[ticket.save.event.id] = state
        headline, revision = _named(ticket)
        done = sum(bool(other.outcomes) for other in self._desk.tickets)
        self.print_line(
            f"{done:>3}/{len(self._desk.tickets)}  {state:<9}  {headline}, revision {revision}{_details(ticket)}"
        )


class LiveScreen:
    """A table with a row for each save, redrawn in place."""

    def __init__(self, live: Live, desk: EditionDesk) -> None:
        self._live = live
        self._desk = desk

    def print_line(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(Text(text))

    def changed(self, ticket: SaveTicket) -> None:
        """Redraw; the clock of waiting rows moves anyway."""
        del ticket
        self._live.refresh()


@contextmanager
def open_screen(console: Console, desk: EditionDesk) -> Iterator[DemoScreen]:
    """Show the desk for the duration of the block: live on a terminal."""
    if not console.is_terminal:
        yield PlainScreen(console, desk)
        return
    with Live(
        console=console, get_renderable=lambda: _live_table(desk, console.width), refresh_per_second=8, transient=True
    ) as live:
        yield LiveScreen(live, desk)


def result_table(desk: EditionDesk, width: int) -> Table:
    """Return the final table for a console of `width` columns."""
    table = _table(width - _OUTCOME_WIDTH, "article", "rev", "outcome", "pictures", "seconds")
    for ticket in desk.tickets:
        table.add_row(*_named(ticket), _outcome(ticket), str(len(ticket.downloads)), _seconds(ticket))
    return table


def fitted(console: Console) -> Console:
    """Widen a console that is not a terminal to a log line, so that tables are not squeezed."""
    if not console.is_terminal:
        console.width = max(console.width, _LINE_WIDTH)
    return console


def _live_table(desk: EditionDesk, width: int) -> Table:
    table = _table(width - _STATE_WIDTH, "article", "rev", "state", "seconds")
    for ticket in desk.tickets:
        table.add_row(*_named(ticket), _state(ticket), _seconds(ticket))
    return table


def _table(article_width: int, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        is_number = column in {"rev", "pictures", "seconds"}
        widest = max(_LEAST_WIDTH, min(_MOST_WIDTH, article_width)) if column == "article" else None
        table.add_column(
            column, justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis", max_width=widest
        )
    return table


def _named(ticket: SaveTicket) -> tuple[Text, str]:
    return Text(ticket.save.article["headline"]), str(ticket.save.article["revision"])


def _seconds(ticket: SaveTicket) -> str:
    return "" if ticket.elapsed is None else f"{ticket.elapsed:.1f}"


def _state(ticket: SaveTicket) -> Text:
    if ticket.outcome:
        return _outcome(ticket)
    progress = ticket.progress
    if progress is None:
        return Text("not saved yet" if ticket.published is None else "published", style="dim")
    if progress.step is None or not progress.of:
        return Text("queued" if progress.stage in WAITING else progress.stage, style="cyan")
    filled = _BAR * progress.step // progress.of
    which = f" of picture {(progress.index or 0) + 1}" if ticket.save.expected.pictures > 1 else ""
    return Text.assemble(
        ("━" * filled, "cyan"),
        ("━" * (_BAR - filled), "bright_black"),
        f" step {progress.step} of {progress.of}{which}",
    )


def _under_way(stage: str) -> str:
    return "queued" if stage in WAITING else "painting"


def _outcome(ticket: SaveTicket) -> Text:
    if ticket.outcome is None:
        return Text("none", style="red")
    if ticket.failed:
        return Text(f"failed, {ticket.failed.reason}", style="yellow")
    reused = bool(ticket.ready and ticket.ready.reused)
    return Text(f"{ticket.outcome}, reused" if reused else ticket.outcome, style="green")


def _details(ticket: SaveTicket) -> str:
    if ticket.ready:
        count = len(ticket.ready.pictures)
        reused = ", reused" if ticket.ready.reused else ""
        return f"  ({count} picture{'s' if count > 1 else ''}{reused}, {_seconds(ticket)} s)"
    return f"  ({ticket.failed.reason}: {ticket.failed.message})" if ticket.failed else ""
