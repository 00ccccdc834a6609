"""The options of `leadart replay`, and what they mean together."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import parsed
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.admin.replay.selection import Filters, RangeEnd, ReplaySpec

_END = "offsets (1200, or 0:1200,1:1180 for single partitions), ISO 8601 with time zone, or an age (90min, 36h, 7d)"

Since = Annotated[str | None, typer.Option("--from", help=f"Start (required): {_END}.", show_default=False)]
Until = Annotated[str | None, typer.Option("--to", help="End, written like --from and exclusive; default: now.")]
Lane = Annotated[str, typer.Option(help="Lane to read, with or without your topic prefix.")]
Section = Annotated[list[str] | None, typer.Option(help="Only articles of this section; may be repeated.")]
Style = Annotated[list[str] | None, typer.Option(help="Only this style preset; may be repeated.")]
Article = Annotated[list[str] | None, typer.Option(help="Only this article id; may be repeated.")]
ArticleFile = Annotated[
    Path | None, typer.Option(help="Only the article ids in this file, one per line.", exists=True, dir_okay=False)
]
Failed = Annotated[bool, typer.Option("--failed", help="Only requests whose last outcome is a failure.")]
Force = Annotated[bool, typer.Option("--force", help="Make new pictures: each request becomes a new variation.")]
Name = Annotated[str, typer.Option(help="Part of the replay's id: another name replays the same requests again.")]
Rate = Annotated[str | None, typer.Option(help="Limit of records per second: 50/s, 600/m, 1000/h.")]
MaxBacklog = Annotated[float | None, typer.Option(min=0, help="Limit of the lane's backlog, in seconds of painting.")]
PictureSeconds = Annotated[
    float | None, typer.Option(min=0, help="Seconds to paint a picture (default: measured from the latest outcomes).")
]
Devices = Annotated[int, typer.Option(min=1, help="Number of devices that paint, for estimates and the backlog.")]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The requests that an operator means, before the ends of the range are offsets."""

    since: RangeEnd
    until: RangeEnd | None
    lane: str
    filters: Filters
    force: bool
    name: str


def range_end(text: str) -> RangeEnd:
    """Parse one end of the range. Raises `typer.BadParameter`."""
    from consumer.admin.replay.selection import RangeEnd

    return parsed(lambda end: RangeEnd.parse(end, datetime.now(UTC)), text)


def records_per_second(text: str | None) -> float | None:
    """Parse --rate. Raises `typer.BadParameter`."""
    from consumer.admin.replay.throttle import parse_rate

    return None if text is None else parsed(parse_rate, text)


def filters(
    sections: Sequence[str] | None,
    styles: Sequence[str] | None,
    articles: Sequence[str] | None,
    article_file: Path | None,
    *,
    failed: bool,
) -> Filters:
    """Return the filters. Raises `typer.BadParameter` for a file without an id."""
    from consumer.admin.replay.selection import Filters

    ids = {*(articles or ()), *(_listed(article_file) if article_file else ())}
    return Filters(frozenset(sections or ()), frozenset(styles or ()), frozenset(ids), failed)


def _listed(file: Path) -> set[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8: save it as that, one article id per line.") from None
    ids = {line.strip() for line in lines if line.strip()}
    if not ids:
        raise typer.BadParameter(f"{file} names no article: write one article id per line.")
    return ids


def as_given(
    rate: str | None, max_backlog: float | None, picture_seconds: float | None, devices: int, env_file: Path | None
) -> list[str]:
    """Return the options that set pace and settings, as they are typed; None was not given."""
    options = {
        "--rate": rate,
        "--max-backlog-seconds": max_backlog,
        "--picture-seconds": picture_seconds,
        "--devices": devices if devices > 1 else None,
        "--env-file": env_file,
    }
    return [part for option, value in options.items() if value is not None for part in (option, f"{value}")]


def resume_command(spec: ReplaySpec, base: str, given: Sequence[str]) -> str:
    """Return the command that continues exactly this replay at the `given` pace, whenever it is run."""
    chosen = spec.filters
    options = ["--from", spec.range.starts, "--to", spec.range.stops]
    options += ["--lane", base] if base != names.REQUESTED else []
    for option, values in (("section", chosen.sections), ("style", chosen.styles), ("article", chosen.articles)):
        options += [part for value in sorted(values) for part in (f"--{option}", value)]
    options += ["--failed"] if chosen.failed else []
    options += ["--force"] if spec.force else []
    options += ["--name", spec.name] if spec.name else []
    return shlex.join(["leadart", "replay", *options, "--execute", *given])
