"""`python -m tests.chaos [matrix | editorial | outage]`: the crash matrix, that of editors' decisions, or outages.

Finished cells are skipped, so a run can be ended and resumed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos import about, editorial_report, report
from tests.chaos.absent import Absent
from tests.chaos.deciding import STORIES, Decided, Trouble, decide
from tests.chaos.matrix import Column, Row, rows
from tests.chaos.outage import OUTAGES
from tests.chaos.play import play
from tests.chaos.results import FAULTS, Book, Result
from tests.chaos.servers import Servers, ordinary

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "chaos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is not yet played; return 1 if a promise was broken anywhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The crash matrix.")
    parser.add_argument("what", nargs="?", choices=("matrix", "editorial", "outage"), default="matrix")
    parser.add_argument(
        "--only", metavar="ROW[:COLUMN]", help="play this row, cell or outage, again if it was played before"
    )
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--report", action="store_true", help="only write docs/reliability.md from the results")
    options = parser.parse_args(arguments)
    book, outages = Book(OUT / "results.jsonl"), Book(OUT / "outages.jsonl")
    if options.what == "editorial":
        return _editorial(Book(OUT / "editorial.jsonl"), options.only, play=not options.report, fresh=options.fresh)
    if options.fresh:
        (outages if options.what == "outage" else book).path.unlink(missing_ok=True)
    if not options.report:
        OUT.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=OUT / "driver.log", format="%(asctime)s %(name)s %(message)s")
        asyncio.run(_outages(outages, options.only) if options.what == "outage" else _play_all(book, options.only))
    report.write(book, outages)
    if (decided := Book(OUT / "editorial.jsonl")).path.exists():
        editorial_report.write(decided)
    return int(report.broken(book, outages))


def _editorial(book: Book, only: str | None, *, play: bool, fresh: bool) -> int:
    """Play what editors decide, and write its part of the report, which leaves the others as they are."""
    if fresh:
        book.path.unlink(missing_ok=True)
    if play:
        asyncio.run(_decide_all(book, only))
    editorial_report.write(book)
    return int(any(not cell.kept for cell in editorial_report.cells(book).values()))


async def _decide_all(book: Book, only: str | None) -> None:
    name, _, column = (only or "").partition(":")
    done = set() if only else {key for key, cell in editorial_report.cells(book).items() if cell.kept}
    asked = [(row, trouble) for row in STORIES for trouble in Trouble if column in {"", trouble}]
    for row, trouble in [cell for cell in asked if cell not in done and name in {"", cell[0]}]:
        with TemporaryDirectory(prefix="leadart-chaos-") as scratch:
            async with ordinary(Path(scratch)) as servers:
                try:
                    cell = await decide(row, trouble, servers, OUT / row / trouble)
                except Exception as error:
                    logging.getLogger(__name__).exception("%s:%s", row, trouble)
                    cell = Decided(row=row, column=trouble, fired=False, error=repr(error))
        book.add("decided", asdict(cell))
        _say(f"{row}:{trouble}".ljust(30) + f" {cell.requests:3} requests {'kept' if cell.kept else cell}")


async def _outages(book: Book, only: str | None) -> None:
    for outage in OUTAGES:
        if only in {None, outage.__name__}:
            with TemporaryDirectory(prefix="leadart-chaos-") as scratch:
                finding = await outage(Path(scratch), OUT / "outage" / outage.__name__)
            book.add("outage", finding.line())
            _say(f"{finding.name}: {finding.figures} {finding.problems or 'as promised'}")


async def _play_all(book: Book, only: str | None) -> None:
    started = time.monotonic()
    done = set() if only else {key for key, result in book.cells().items() if result.fired}
    try:
        for row, columns in rows(only):
            await _play_row(book, row, [column for column in columns if (row.name, column) not in done])
    finally:
        book.add("run", {**about.this_machine(), "seconds": round(time.monotonic() - started)})


async def _play_row(book: Book, row: Row, columns: Sequence[Column]) -> None:
    left = deque(columns)
    while left:
        with TemporaryDirectory(prefix="leadart-chaos-") as scratch:
            try:
                async with row.servers(Path(scratch)) as servers:
                    await _play_cells(book, row, left, servers)
            except Absent as absent:
                book.add("absent", {"row": row.name, "reason": str(absent)})
                _say(f"{row.name}: not played: {absent}")
                return


async def _play_cells(book: Book, row: Row, left: deque[Column], servers: Servers) -> None:
    """Play what is left on these servers; after a cell that failed nobody knows how it leaves them."""
    while left:
        column = left.popleft()
        try:
            result = await play(row, column, servers, OUT / row.name / column)
            if servers.cluster is not None:
                await servers.cluster.start()
        except Exception as error:
            logging.getLogger(__name__).exception("%s:%s", row.name, column)
            result = Result(row=row.name, column=column, seed=0, fired=False, error=repr(error))
        book.note(result)
        _say(_line(result))
        if result.error or row.fresh:
            return


def _line(result: Result) -> str:
    counts = f"{result.requests:3} requests {result.recover_seconds:6.1f} s of {result.seconds:5.1f} s"
    return f"{result.row}:{result.column}".ljust(45) + f" {counts} {result.aborted:3} aborted  {_verdict(result)}"


def _verdict(result: Result) -> str:
    if not result.fired:
        return f"NOT PLAYED: {result.error or 'nobody came by'}"
    faults = {fault: value for fault in FAULTS if (value := getattr(result, fault))}
    return "kept" if result.kept else f"BROKEN {faults} {result.reasons}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
