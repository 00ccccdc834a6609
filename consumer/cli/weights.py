"""The weights gate's report as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.cli.shared import printable
from consumer.engine.weights.report import merge_equal_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumer.engine.weights.report import WeightsReport

_LISTED = 12


def print_report(report: WeightsReport, sha256: str, say: Callable[[str], None]) -> None:
    """Print what the file is, its coverage by block, each kind of deviation by name, and the verdict."""
    kind = "checkpoint" if report.kind == "base" else "LoRA"
    prefixes = ", ".join(prefix or "none" for prefix in report.prefixes)
    dtypes = ", ".join(f"{dtype} ({count})" for dtype, count in sorted(report.dtypes.items()))
    say(f"file         {printable(report.path)}")
    say(f"sha256       {sha256}")
    say(f"as           {kind}, layout: {report.layout}, prefix: {prefixes}, dtypes: {dtypes}")
    of = "of the model's tensors" if report.kind == "base" else "of its tensors take effect"
    say(f"coverage     {report.had} {of}, {report.wanted} in all: {_percent(report)}")
    for title, block in merge_equal_blocks(report.blocks):
        each = "" if title == block.name else " each"
        say(f"  {title:26} {block.had:4} of {block.wanted}{each}")
    _list("missing", report.missing, say)
    _list("unexpected", report.unexpected, say)
    shapes = (f"{each.name}: model {list(each.model)}, file {list(each.file)}" for each in report.mismatched)
    _list("shapes", tuple(shapes), say)
    _list("twice", report.twice, say)
    _list("not finite", report.not_finite, say)
    _list("no effect", report.idle, say)
    _list("not used", report.ignored, say)
    for problem in report.problems:
        say(f"problem      it {printable(problem.what)}")
        say(f"  remedy     {printable(problem.remedy)}")
    say("verdict      the worker would load it" if report.accepted else "verdict      refused")


def _percent(report: WeightsReport) -> str:
    """Return the coverage, rounded down: only a whole is 100 %."""
    return f"{int(report.coverage * 1000) / 10:g} %"


def _list(title: str, names: Iterable[str], say: Callable[[str], None]) -> None:
    every = list(names)
    for name in every[:_LISTED]:
        say(f"{title:12} {printable(name)}")
    if len(every) > _LISTED:
        say(f"{title:12} and {len(every) - _LISTED} more; --json lists all")
