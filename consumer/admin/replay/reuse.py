"""Which of the chosen requests cost no GPU time: the store has the pictures of all their recipes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from consumer.admin.replay.selection import ReplaySpec
from consumer.admin.replay.source import OriginalRequest, SourceLane
from consumer.errors import Rejected
from consumer.jobs import Paintable, Recipe
from consumer.ports import Store
from consumer.processing.prompting import make_plan
from consumer.processing.styles import Styles
from schemas import ImageRequested

BATCH: Final = 200


@dataclass(slots=True)
class ReuseCounts:
    """Requests of one partition: `made` already, `to_make`, `unpaintable`; `pictures` is the number to be made."""

    made: int = 0
    to_make: int = 0
    unpaintable: int = 0
    pictures: int = 0


@dataclass(slots=True)
class ReuseEstimate:
    """What the store has. `unpaintable` names the first requests that no worker could paint, and why."""

    partitions: dict[int, ReuseCounts] = field(default_factory=dict)
    unpaintable: list[tuple[str, str]] = field(default_factory=list)

    def total(self, count: str) -> int:
        """Return one count over all partitions."""
        return sum(getattr(counts, count) for counts in self.partitions.values())


@dataclass(slots=True)
class ReuseLookup:
    """Looks up in the store what a replay would publish."""

    spec: ReplaySpec
    source: SourceLane
    store: Store
    styles: Styles
    paintable: Paintable

    async def run(self, offsets: Mapping[int, Sequence[int]], watch: Callable[[float], None]) -> ReuseEstimate:
        """Look up every chosen request, many at a time. Raises `Overloaded` when the store is down, `BusError`."""
        estimate, total, done = ReuseEstimate(), sum(map(len, offsets.values())), 0
        for partition, chosen in offsets.items():
            estimate.partitions[partition] = ReuseCounts()
            iterator = iter(chosen)
            while batch := list(islice(iterator, BATCH)):
                originals = [original async for original in self.source.originals(partition, batch)]
                await self._add(originals, estimate)
                done += len(batch)
                watch(done / total)
        return estimate

    async def _add(self, originals: Sequence[OriginalRequest], estimate: ReuseEstimate) -> None:
        planned = [(original, self._recipes(original, estimate)) for original in originals]
        wanted = [(original, recipes) for original, recipes in planned if recipes is not None]
        # All are awaited even if one fails: the store must not be closed under a request.
        missing = await asyncio.gather(*[self._missing(recipes) for _, recipes in wanted], return_exceptions=True)
        for (original, _), count in zip(wanted, missing, strict=True):
            if isinstance(count, BaseException):
                raise count
            counts = estimate.partitions[original.record.partition]
            counts.pictures += count
            counts.made += not count
            counts.to_make += bool(count)

    def _recipes(self, original: OriginalRequest, estimate: ReuseEstimate) -> Sequence[Recipe] | None:
        """Return what the request paints: nothing, for a re-crop. None if no worker could."""
        if not isinstance(original.request, ImageRequested):
            return ()
        try:
            return make_plan(self.spec.vary(original.request), self.styles, self.paintable).recipes
        except Rejected as error:
            record = original.record
            estimate.partitions[record.partition].unpaintable += 1
            if len(estimate.unpaintable) < BATCH:
                estimate.unpaintable.append(
                    (f"{record.partition}:{record.offset}", f"{error.message} ({error.reason})")
                )
            return None

    async def _missing(self, recipes: Sequence[Recipe]) -> int:
        return [await self.store.find(recipe) for recipe in recipes].count(None)
