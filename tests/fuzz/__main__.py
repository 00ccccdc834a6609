"""Fuzz a real worker on servers of our own, print the table, and write `out/fuzz/summary.json` and `docs/fuzz.md`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from consumer.dev.embedded import KafkaServer, S3Server
from tests.fuzz.case import Case
from tests.fuzz.corpus import SEED, corpus
from tests.fuzz.run import Report, fuzz
from tests.fuzz.tables import markdown, rows
from tests.support.harness import Site

OUT = Path("out/fuzz")
DOCUMENT = Path("docs/fuzz.md")
SHOWN = 40

console = Console()


def main(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 12_000,
    seed: Annotated[int, typer.Option(help="Another seed gives other records.")] = SEED,
    only: Annotated[
        str, typer.Option(help="Numbers of single records of such a run, with commas: only they are sent.")
    ] = "",
) -> None:
    """Run, tell, and exit with 1 if anything was not as it has to be."""
    cases = list(corpus(records, seed))
    if only:
        cases = [cases[int(number)] for number in only.split(",")]
    report = asyncio.run(_run(cases))
    _tell(report)
    if not only:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "summary.json").write_text(json.dumps({"seed": seed, **report.summary()}, indent=1), encoding="utf-8")
        DOCUMENT.write_text(markdown(report, seed), encoding="utf-8")
    raise typer.Exit(bool(report.problems))


async def _run(cases: Sequence[Case]) -> Report:
    with TemporaryDirectory(prefix="leadart-fuzz-") as name:
        folder = Path(name)
        kafka, s3 = KafkaServer(folder / "kafka"), S3Server(folder / "s3")
        try:
            kafka.start()
            s3.start()
            return await fuzz(Site.fresh(kafka, s3).prepare(), folder, cases)
        finally:
            s3.stop()
            kafka.stop()


def _tell(report: Report) -> None:
    table = Table("kind", "records", "refused", "ready", "wrong")
    for row in rows(report):
        table.add_row(*row)
    console.print(table)
    summary = report.summary()
    for name in ("records_per_second", "wave_seconds", "worker_megabytes", "reasons"):
        console.print(f"{name}: {summary[name]}")
    for problem in report.problems[:SHOWN]:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    console.print(f"{len(report.problems)} problems", style="red" if report.problems else "green")


if __name__ == "__main__":
    typer.run(main)
