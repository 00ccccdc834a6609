"""Which of the chosen requests cost no GPU: all their recipes have manifests whose pictures are there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from consumer.errors import Rejected
from consumer.processing.prompting import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.admin.replay.source import OriginalRequest, SourceLane
    from consumer.jobs import Paintable, Recipe
    from consumer.ports import Store
    from consumer.processing.styles import Styles
    from schemas import ImageRequested

BATCH: Final = 200


@dataclass(slots=True)
class ReuseCounts:
    """Requests of one partition: `made` already, `to_make`, `unpaintable`; and how many pictures are to be made."""

    made: int = 0
    to_make: int = 0
    unpaintable: int = 0
    pictures: int = 0


@dataclass(slots=True)
class ReuseEstimate:
    """What the store has. `unpaintable` names the first requests that no worker could paint, and why."""

    tallies: dict[int, ReuseCounts] = field(default_factory=dict)
    unpaintable: list[tuple[str, str]] = field(default_factory=list)

    def total(self, field_: str) -> int:
        """Return one figure of all partitions together."""
        return sum(getattr(tally, field_) for tally in self.tallies.values())


class ReuseLookup:
    """Asks the store. `vary` makes of a request what would be published, so that a forced replay is told as it is."""

    def __init__(
        self,
        source: SourceLane,
        store: Store,
        styles: Styles,
        paintable: Paintable,
        vary: Callable[[ImageRequested], ImageRequested],
    ) -> None:
        self._source = source
        self._store = store
        self._styles = styles
        self._paintable = paintable
        self._vary = vary

    async def run(self, offsets: Mapping[int, Sequence[int]], watch: Callable[[float], None]) -> ReuseEstimate:
        """Look after every chosen request, many at a time. Raises `Overloaded` when the store is down, `BusError`."""
        made, total, done = ReuseEstimate(), sum(map(len, offsets.values())), 0
        for partition, chosen in offsets.items():
            made.tallies[partition] = ReuseCounts()
            iterator = iter(chosen)
            while batch := list(islice(iterator, BATCH)):
                originals = [original async for original in self._source.originals(partition, batch)]
                await self._batch(originals, made)
                done += len(batch)
                watch(done / total)
        return made

    async def _batch(self, originals: Sequence[OriginalRequest], made: ReuseEstimate) -> None:
        wanted = [(original, recipes) for original in originals if (recipes := self._recipes(original, made))]
        missing = await asyncio.gather(*[self._missing(recipes) for _, recipes in wanted])
        for (original, _), count in zip(wanted, missing, strict=True):
            tally = made.tallies[original.record.partition]
            tally.pictures += count
            tally.made += not count
            tally.to_make += bool(count)

    def _recipes(self, original: OriginalRequest, made: ReuseEstimate) -> Sequence[Recipe]:
        try:
            brief = make_plan(self._vary(original.request), self._styles, self._paintable)
        except Rejected as error:
            record = original.record
            made.tallies[record.partition].unpaintable += 1
            if len(made.unpaintable) < BATCH:
                made.unpaintable.append((f"{record.partition}:{record.offset}", f"{error.message} ({error.reason})"))
            return ()
        return brief.recipes

    async def _missing(self, recipes: Sequence[Recipe]) -> int:
        found = [await self._store.find(recipe) for recipe in recipes]
        return found.count(None)
