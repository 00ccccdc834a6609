"""How commands take a lane's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from consumer.settings import TopicSettings

_FAMILY = "article-image-"


def lane_base(name: str, topics: TopicSettings) -> str:
    """Return the base name of a lane given as `backfill`, `article-image-backfill` or with the site's prefix.

    Raises `typer.BadParameter` naming the lanes.
    """
    from consumer.kafka.topics import LANES

    known = {given: lane for lane in LANES for given in (lane, lane.removeprefix(_FAMILY), topics.named(lane))}
    if name not in known:
        raise typer.BadParameter(f"{name[:80]!a} is not a lane: use one of {', '.join(LANES)}.")
    return known[name]
