"""Who shows the pictures of an archive from before that was written down: as the outcomes on the bus tell."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from consumer.delivery.ports import Partition
from consumer.errors import WithdrawnMeanwhile
from consumer.jobs import Record, Use
from consumer.kafka.admin_client import open_admin
from consumer.kafka.announced import parse_announced
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import one_partition_count
from consumer.ports import Store
from consumer.settings import Settings
from consumer.storage.side_by_side import all_of
from schemas import OutcomeKind, names

_AT_ONCE = 16


class AnnouncedUse(NamedTuple):
    """Who shows a picture, by its recipe (hex)."""

    use: Use
    recipe: str


@dataclass(slots=True)
class UsersReport:
    """How many uses were announced, how many were written down beside the manifests' own, of how many all is gone."""

    announced: int = 0
    entered: int = 0
    gone: int = 0


async def announced_uses(settings: Settings, share: Callable[[float], None]) -> set[AnnouncedUse]:
    """Return every use that is still on the outcome topic. Raises `BusError`, `Fatal`; `share` hears how far it is."""
    topic, found = settings.topics.named(names.OUTCOME), set[AnnouncedUse]()
    async with open_admin(settings.kafka) as admin:
        shards = range(await one_partition_count(admin, settings))
    async with open_partition_reader(settings.kafka, committed=True) as reader:
        for shard in shards:
            partition = Partition(topic, shard)
            async for record in reader.records(partition, await reader.span(partition)):
                found.update(uses_in(record))
            share((shard + 1) / len(shards))
    return found


def uses_in(record: Record) -> Iterator[AnnouncedUse]:
    """Yield the uses that a record announces; none for anything but a ready outcome."""
    event = parse_announced(record)
    if event is None or event.kind != OutcomeKind.READY:
        return
    slot, pictures = event.data.get("slot"), event.data.get("pictures")
    for picture in pictures if isinstance(pictures, list) and isinstance(slot, str) else ():
        recipe = picture.get("recipe") if isinstance(picture, dict) else None
        if isinstance(recipe, str):
            yield AnnouncedUse(Use(event.article, str(slot)), recipe)


async def enter_uses(store: Store, uses: set[AnnouncedUse], *, apply: bool) -> UsersReport:
    """Write down who shows which picture; without `apply`, count. Safe to interrupt and to repeat, beside workers."""
    report = UsersReport(len(uses))
    await all_of([_enter(store, each, report, apply=apply) for each in uses], _AT_ONCE)
    return report


async def _enter(store: Store, each: AnnouncedUse, report: UsersReport, *, apply: bool) -> None:
    found = await store.look_up(each.recipe, by="recipe")
    if found is None:
        report.gone += 1
    elif found.stored.painted_for != each.use:
        with suppress(WithdrawnMeanwhile):  # nothing is shown there any more
            if apply:
                await store.refer(found.stored, each.use)
            report.entered += 1
