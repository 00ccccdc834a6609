"""The options of `leadart replay`, and what they mean together."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from schemas import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.admin.replay.offset_range import OffsetRange, RangeEnd
    from consumer.admin.replay.selection import Filters, ReplaySpec
    from consumer.settings import TopicSettings

_PLACE = "offsets (1200 for all partitions, or 0:1200,1:1180 for just these), a moment with its zone, or an age (36h)"

Since = Annotated[str, typer.Option("--from", help=f"Where to begin: {_PLACE}.")]
Until = Annotated[
    str | None, typer.Option("--to", help="Where to end, likewise and exclusive; else where it ends now.")
]
Lane = Annotated[str, typer.Option(help="The lane that is read, with or without the house's prefix.")]
Section = Annotated[list[str] | None, typer.Option(help="Only articles of this section; may be repeated.")]
Style = Annotated[list[str] | None, typer.Option(help="Only this style preset; may be repeated.")]
Article = Annotated[list[str] | None, typer.Option(help="Only this article id; may be repeated.")]
ArticleFile = Annotated[
    Path | None, typer.Option(help="Only the article ids in this file, one a line.", exists=True, dir_okay=False)
]
Failed = Annotated[bool, typer.Option("--failed", help="Only those of which the CMS was told last that they failed.")]
Force = Annotated[bool, typer.Option("--force", help="Make new pictures: each request becomes a new variation.")]
Name = Annotated[str, typer.Option(help="Part of the replay's id: another name replays the same once more.")]
Execute = Annotated[bool, typer.Option("--execute", help="Publish; without this it is only planned.")]
Rate = Annotated[str | None, typer.Option(help="Most records a second: 50/s, 600/m, 1000/h.")]
MaxBacklog = Annotated[
    float | None, typer.Option(min=0, help="Keep the lane's backlog below so many seconds of painting.")
]
PictureSeconds = Annotated[
    float | None, typer.Option(min=0, help="Seconds to paint a picture, instead of what was measured.")
]
Devices = Annotated[int, typer.Option(min=1, help="How many devices paint, for estimates and the backlog.")]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The request records that an operator means."""

    since: RangeEnd
    until: RangeEnd | None
    lane: str
    filters: Filters
    force: bool
    name: str

    def order(self, extent: OffsetRange) -> ReplaySpec:
        """Return it with its range as offsets."""
        from consumer.admin.replay.selection import ReplaySpec

        return ReplaySpec(extent, self.filters, self.force, self.name)


def parsed(parse: Callable[[str], T], text: str) -> T:
    """Read an option. Raises `typer.BadParameter` with the sentence of the error."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def place(text: str) -> RangeEnd:
    """Read one end of the range. Raises `typer.BadParameter`."""
    from consumer.admin.replay.offset_range import RangeEnd

    return parsed(lambda told: RangeEnd.parse(told, datetime.now(UTC)), text)


def filters(
    sections: Sequence[str] | None,
    styles: Sequence[str] | None,
    articles: Sequence[str] | None,
    article_file: Path | None,
    *,
    failed: bool,
) -> Filters:
    """Return the conditions. Raises `typer.BadParameter` for a file without an id."""
    from consumer.admin.replay.selection import Filters

    ids = set(articles or ())
    if article_file is not None:
        try:
            lines = article_file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise typer.BadParameter(f"{article_file} is not UTF-8: save it as that, one article id a line.") from None
        listed = {line.strip() for line in lines if line.strip()}
        if not listed:
            raise typer.BadParameter(f"{article_file} names no article: write an article id on each line.")
        ids |= listed
    return Filters(frozenset(sections or ()), frozenset(styles or ()), frozenset(ids), failed)


def lane_base(name: str, topics: TopicSettings) -> str:
    """Return the lane's base name. Raises `typer.BadParameter` naming the lanes."""
    from consumer.kafka.topics import LANES

    base = {topics.named(lane): lane for lane in LANES}.get(name, name)
    if base not in LANES:
        raise typer.BadParameter(f"{name[:80]!a} is no lane: use one of {', '.join(LANES)}.")
    return base


def as_given(
    rate: str | None, most_seconds: float | None, picture_seconds: float | None, devices: int, env_file: Path | None
) -> list[str]:
    """Return the options that say how fast and where, as they are typed; None is one that was not given."""
    options = {
        "--rate": rate,
        "--max-backlog-seconds": most_seconds,
        "--picture-seconds": picture_seconds,
        "--devices": devices if devices > 1 else None,
        "--env-file": env_file,
    }
    return [part for option, value in options.items() if value is not None for part in (option, f"{value}")]


def resume_command(order: ReplaySpec, base: str, given: Sequence[str]) -> str:
    """Return the command that goes on with exactly this replay at the `given` pace, whatever time it is then."""
    chosen = order.filters
    options = ["--from", order.extent.starts, "--to", order.extent.stops]
    options += ["--lane", base] if base != names.REQUESTED else []
    for option, values in (("section", chosen.sections), ("style", chosen.styles), ("article", chosen.articles)):
        options += [part for value in sorted(values) for part in (f"--{option}", value)]
    options += ["--failed"] if chosen.failed else []
    options += ["--force"] if order.force else []
    options += ["--name", order.name] if order.name else []
    return shlex.join(["leadart", "replay", *options, "--execute", *given])
