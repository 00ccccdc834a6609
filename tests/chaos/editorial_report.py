"""The part of `docs/reliability.md` about what editors decide; written by itself, the rest of the page stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tests.chaos.deciding import STORIES, Decided, Trouble
from tests.chaos.report import PAGE, table
from tests.chaos.results import Book

TITLE: Final = "## What editors decide"
NEXT: Final = "\n## "

HEAD: Final = f"""\
{TITLE}

Ten articles with a picture each. `choice`: a picture is chosen in each, amid saves by two lanes, `regenerate` and
repeats of the choice. `take_down`: each is withdrawn amid saves by two lanes, and again. `policy_reload`: a new policy
forbids one section. `pause`: one section is paused, and resumed once the rest is answered. While they are on their way
a worker that has outcomes in a transaction gets SIGKILL (`kill`), or is stopped past its session (`freeze`); another
worker joins the group and leaves it (`rebalance`); or the store gets SIGKILL and is away for 3 s (`store_down`). More
saves follow. At the end each slot shows what `docs/clients/slot.py`
says, every address is fetched, and after `take_down` the bucket is listed. `python -m tests.chaos editorial` plays
these cells and writes this part of the page.

Each cell: requests · lost · doubled · choices lost · objects left behind · other promises broken (a picture missing or
mismatched, an outcome against the policy or during a pause, a worker that ended or stayed unready) · seconds from the
strike to the last outcome.
"""


def write(book: Book, page: Path = PAGE) -> None:
    """Replace this part of the page, or put it before the table of what is hit."""
    text, own = page.read_text(encoding="utf-8"), render(book)
    before, found, after = text.partition(TITLE)
    if found:
        rest = NEXT.removeprefix("\n") + after.partition(NEXT)[2]
    else:
        before, _, after = text.partition("## What is hit")
        rest = "## What is hit" + after
    page.write_text(f"{before}{own}\n{rest}", encoding="utf-8")


def render(book: Book) -> str:
    """Return this part of the page."""
    found = cells(book)
    lines = [[f"`{row}`", *[_cell(found.get((row, column))) for column in Trouble]] for row in STORIES]
    days = sorted({cell.day for cell in found.values() if cell.day})
    total = sum(cell.requests for cell in found.values())
    told = f"{len(found)} cells, {total} requests; played on {', '.join(days)}.\n"
    return f"{HEAD}\n{table(('', *[f'`{column}`' for column in Trouble]), lines)}\n{told}"


def cells(book: Book) -> dict[tuple[str, str], Decided]:
    """Return the latest result of each cell."""
    told = [_read(line) for line in book.lines("decided")]
    return {(cell.row, cell.column): cell for cell in told}


def _read(line: dict[str, Any]) -> Decided:
    return Decided(**{**line, "behind": tuple(line["behind"]), "exits": tuple(line["exits"])})


def _cell(cell: Decided | None) -> str:
    if cell is None:
        return "not played"
    if not cell.fired:
        return "failed" if cell.error else "never caught"
    others = cell.mismatched + cell.wrong + len(cell.behind) + len(cell.exits) + bool(cell.unready)
    figures = (cell.requests, cell.lost, cell.doubled, cell.choices_lost, cell.left_behind, others)
    text = " · ".join([*map(str, figures), f"{cell.recover_seconds:.1f} s"])
    return text if cell.kept else f"**{text}**"
