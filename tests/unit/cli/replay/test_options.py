"""The command that continues a replay."""

from __future__ import annotations

from consumer.admin.replay.selection import Filters, OffsetRange, ReplaySpec
from consumer.cli.replay.options import resume_command
from schemas import names


def command(spans: dict[int, range]) -> str:
    spec = ReplaySpec(OffsetRange.of(names.REQUESTED, spans), Filters(sections=frozenset({"city news"})))
    return resume_command(spec, names.REQUESTED, ["--rate", "50/s"])


def test_a_replay_is_continued_with_its_offsets() -> None:
    """Whatever was published meanwhile, and at the pace that was given."""
    assert command({0: range(2, 9), 3: range(7)}) == (
        "leadart replay --from 0:2,3:0 --to 0:9,3:7 --section 'city news' --execute --rate 50/s"
    )


def test_an_empty_range_has_no_command() -> None:
    """There is nothing to publish, and no offset to begin at."""
    assert command({0: range(0)}) == ""
