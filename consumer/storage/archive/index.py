"""Write the index entries that an older archive lacks."""

from collections.abc import Callable
from dataclasses import dataclass

from consumer.storage.archive.contents import AT_ONCE, Archive, RecipeKeys
from consumer.storage.manifest import Manifest, manifest_key
from consumer.storage.side_by_side import all_of


@dataclass(slots=True)
class IndexReport:
    """How many pictures have manifests, how many of them lacked an entry, and how many manifests cannot be read."""

    pictures: int = 0
    missing: int = 0
    unreadable: int = 0


async def index_pictures(archive: Archive, *, apply: bool, share: Callable[[float], None]) -> IndexReport:
    """Write the missing entries; without `apply`, count them. `share` is told how much is done, from 0 to 1.

    What an interrupted run wrote, the next one finds. Raises what the archive raises.
    """
    report = IndexReport()
    shards = await archive.shards()
    for number, shard in enumerate(shards):
        recipes = [of for of in await archive.shard(shard) if of.painted]
        await all_of([_index(archive, of, report, apply=apply) for of in recipes], AT_ONCE)
        share((number + 1) / len(shards))
    return report


async def _index(archive: Archive, of: RecipeKeys, report: IndexReport, *, apply: bool) -> None:
    found = await archive.text(manifest_key(of.recipe))
    if found is None:
        return
    report.pictures += 1
    manifest = found.read(Manifest)
    if manifest is None or manifest.picture.recipe != of.recipe:
        report.unreadable += 1
        return
    async with archive.bounded():
        sha256 = manifest.picture.sha256
        if await archive.index.recipe_of(sha256) is None:
            report.missing += 1
            if apply:
                await archive.index.add(sha256, of.recipe)
