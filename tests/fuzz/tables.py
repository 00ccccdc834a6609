"""A run as tables: for the terminal and for `docs/fuzz.md`."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version

from consumer import __version__
from tests.fuzz.corpus import VALID_EVERY
from tests.fuzz.run import Report
from tests.fuzz.verdict import Verdict

DOCUMENT = """\
# What malformed records do to the worker

Made by `python -m tests.fuzz --records {records}`; do not edit.

{records} records, seed {seed}, through one swatch worker on Apache Kafka and SeaweedFS, in batches of every codec.
Every {every}th is a valid request. **Refused** means exactly one dead letter, found by its origin, that keeps key,
value and headers as they came, and one failed outcome wherever an article id can be read. **Ready** means that the
mutation left the request valid: exactly one ready outcome and no dead letter. Where the published schema can tell, it
says which of the two it has to be. **Wrong** is everything else: none, or two.

| kind | records | refused | ready | wrong |
|---|---:|---:|---:|---:|
{table}

| figure | value |
|---|---|
| problems | {problems} |
| records/s, published and answered | {rate} |
| a wave of {wave} published, to its last valid request's pictures | median {median} s, longest {longest} s |
| the same in the first and the last quarter of the run | {first_quarter} s, {last_quarter} s |
| worker's memory before, after | {before} MB, {after} MB |
| reasons given | {reasons} |
| on | {cores} cores, Python {python}, leadart {leadart}, aiokafka {aiokafka}, pydantic {pydantic} |

Besides the verdicts the run fails if the worker dies, is not ready at its end, restarts its engine, reopens a shard,
opens its breaker, or counts any failure as its own; if a log line is no JSON, is over 16 KB, or holds a raw control
character or a text of an article; if a text reaches the metrics; if a dead letter's message repeats characters from
outside that a terminal would obey; or if an object in the store is not named by a digest.
"""


def rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Yield kind, records, and how many of each verdict; the last row is all of them."""
    counts = report.findings.counts
    every: Counter[str] = sum(counts.values(), Counter())
    for kind, by_verdict in [*sorted(counts.items()), ("all", every)]:
        figures = (by_verdict[verdict] for verdict in (Verdict.REFUSED, Verdict.READY, Verdict.WRONG))
        yield kind, str(by_verdict.total()), *map(str, figures)


def markdown(report: Report, seed: int) -> str:
    """Return the document."""
    summary = report.summary()
    return DOCUMENT.format(
        records=report.records,
        seed=seed,
        every=VALID_EVERY,
        table="\n".join(f"| {' | '.join(row)} |" for row in rows(report)),
        problems=len(report.problems),
        rate=round(summary["records_per_second"]),
        wave=report.wave,
        **summary["wave_seconds"],
        **summary["worker_megabytes"],
        reasons=", ".join(f"{reason} {count}" for reason, count in report.reasons.most_common()),
        cores=os.cpu_count(),
        python=platform.python_version(),
        leadart=__version__,
        aiokafka=version("aiokafka"),
        pydantic=version("pydantic"),
    )
