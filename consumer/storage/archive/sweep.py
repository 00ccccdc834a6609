"""Delete the pictures that nobody chose, so that it can be interrupted anywhere and run again.

First the picture is written down in a journal, then its manifests go: from then on no worker announces it. Whoever had
found it before that finishes within the grace: if the picture was chosen meanwhile, its manifest is put back. Only then
its objects go, except those that another manifest names, then its index entry, and at last its journal entry. What an
interrupted run left in the journal is finished by the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import structlog

from consumer.storage.archive.contents import AT_ONCE, Archive
from consumer.storage.archive.unchosen import Survey, Unchosen, UnchosenRule, named_by, unchosen_of
from consumer.storage.archive.users import keys_of_users, left_of_withdrawn, used_by_others
from consumer.storage.manifest import PICTURES, SWEEP_JOURNAL, manifest_key
from consumer.storage.picture_index import index_key
from consumer.storage.rendition_manifest import RenditionManifest
from consumer.storage.side_by_side import all_of

_log = structlog.get_logger(__name__)

MOST = 20_000
"""Pictures in one run: they are held in memory."""


class _Fate(Enum):
    """What became of a picture in the journal."""

    GONE = auto()
    PAINTED = auto()
    RESTORED = auto()


@dataclass(slots=True)
class SweepReport:
    """What was deleted. `restored` were chosen within the grace, `named` are objects that another manifest names.

    `withdrawn` are pictures that withdrawn articles had left.
    """

    pictures: int = 0
    objects: int = 0
    bytes: int = 0
    named: int = 0
    restored: int = 0
    withdrawn: int = 0


@dataclass(slots=True)
class Sweep:
    """One run over an archive. Raises what the archive raises; cancelling is safe anywhere."""

    archive: Archive
    rule: UnchosenRule
    grace: timedelta
    survey: Survey = field(default_factory=Survey)
    more: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def find(self, share: Callable[[float], None]) -> list[Unchosen]:
        """Return the pictures that nobody chose; `more` if there are others beside the first `MOST`."""
        found: list[Unchosen] = []
        shards = await self.archive.shards()
        for number, shard in enumerate(shards):
            recipes = await self.archive.shard(shard)
            calls = [unchosen_of(self.archive, of, self.rule, self.survey) for of in recipes if of.painted]
            found += [each for each in await all_of(calls, AT_ONCE) if each is not None]
            share((number + 1) / len(shards))
            if len(found) > MOST:
                self.more = True
                return found[:MOST]
        return found

    async def preview(self, found: Sequence[Unchosen]) -> SweepReport:
        """Return what deleting these pictures would delete."""
        recipes = {each.recipe for each in found}
        named = await named_by(self.archive, _objects(found), but=recipes)
        report = _report(found, named)
        report.withdrawn = sum([number async for _, number in left_of_withdrawn(self.archive)])
        return report

    async def withdraw(self, found: Sequence[Unchosen]) -> None:
        """Write the pictures to the journal and delete their manifests. Refused at once to keys that may not delete."""
        await self.archive.delete([f"{SWEEP_JOURNAL}absent", f"{PICTURES}/sweep-absent"])
        await all_of([self._withdraw(each) for each in found], AT_ONCE)

    async def interrupted(self) -> list[Unchosen]:
        """Return the journal: pictures whose manifests are deleted, or were about to be."""
        texts = await all_of([self.archive.text(key) for key in await self.archive.keys(SWEEP_JOURNAL)], AT_ONCE)
        entries = {text.key: text.read(Unchosen) for text in texts if text is not None}
        for key in [key for key, entry in entries.items() if entry is None]:
            _log.warning("sweep_journal_unreadable", key=key)
        return [each for each in entries.values() if each is not None]

    async def finish(self) -> SweepReport:
        """Wait for the grace, and delete what belongs to the pictures in the journal."""
        entries = await self.interrupted()
        await self._wait(entries)
        fates = await all_of([self._settle(each) for each in entries], AT_ONCE)
        gone = [each for each, fate in zip(entries, fates, strict=True) if fate is _Fate.GONE]
        named = await named_by(self.archive, _objects(gone))
        deleted = await all_of([self._delete(each, named) for each in gone], AT_ONCE)
        report = _report([each for each, done in zip(gone, deleted, strict=True) if done], named)
        report.restored = fates.count(_Fate.RESTORED)
        async for article, number in left_of_withdrawn(self.archive):
            await self.archive.withdrawals.withdraw(article, None, None)
            report.withdrawn += number
        return report

    async def _withdraw(self, found: Unchosen) -> None:
        # Looked at again: the search over a large archive takes long enough for an editor to choose.
        of = await self.archive.recipe(found.recipe)
        still = await unchosen_of(self.archive, of, self.rule, Survey()) if of.painted else None
        if still is None:
            return
        entry = still.model_copy(update={"deleted": self.now()})
        await self.archive.write(entry.journal_key, entry.model_dump_json(indent=1).encode())
        await self.archive.delete(of.all)

    async def _wait(self, entries: Iterable[Unchosen]) -> None:
        latest = max((each.deleted for each in entries if each.deleted is not None), default=None)
        if latest is not None:
            left = min(latest + self.grace - self.now(), self.grace)  # the other machine's clock may be fast
            await self.pause(max(0.0, left.total_seconds()))

    async def _settle(self, entry: Unchosen) -> _Fate:
        """Put the manifest back if the picture was chosen within the grace; delete the manifests that are left."""
        of = await self.archive.recipe(entry.recipe)
        if of.painted:  # painted again, or never deleted
            await self.archive.delete([entry.journal_key])
            return _Fate.PAINTED
        texts = [text for key in of.renditions if (text := await self.archive.text(key))]
        chosen = any((read := text.read(RenditionManifest)) is None or self.rule.is_choice(read) for text in texts)
        if chosen or await used_by_others(self.archive, entry.recipe, entry.use):
            await self.archive.put_back(manifest_key(entry.recipe), entry.manifest.encode())
            await self.archive.delete([entry.journal_key])
            return _Fate.RESTORED
        await self.archive.delete([*of.renditions, *of.lists])
        return _Fate.GONE

    async def _delete(self, entry: Unchosen, named: dict[str, str]) -> bool:
        if await self.archive.text(manifest_key(entry.recipe)):  # painted again while the others were read
            return False
        await self.archive.delete([key for key in entry.objects if key not in named])
        async with self.archive.bounded():
            indexed = await self.archive.index.recipe_of(entry.sha256)
        if indexed == entry.recipe:
            await self.archive.delete([index_key(entry.sha256)])
        for another in [recipe for key, recipe in named.items() if entry.sha256 in key]:
            async with self.archive.bounded():
                await self.archive.index.add(entry.sha256, another)
        await self.archive.delete([*await keys_of_users(self.archive, entry.recipe, entry.use), entry.journal_key])
        return True


def _objects(pictures: Iterable[Unchosen]) -> set[str]:
    return {key for each in pictures for key in each.objects}


def _report(pictures: Sequence[Unchosen], named: dict[str, str]) -> SweepReport:
    objects = {key: size for each in pictures for key, size in each.objects.items()}
    deleted = {key: size for key, size in objects.items() if key not in named}
    return SweepReport(len(pictures), len(deleted), sum(deleted.values()), len(objects) - len(deleted))
