"""Looks up, in the store, what the newest outcomes of a timeline name, and what else is there of the article."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from consumer.admin.trace.timeline import FileState, StoredUse, StoreFacts, Timeline, TracedFile, TracedPicture
from consumer.errors import LeadartError
from consumer.settings import StorageSettings
from consumer.storage.archive import Archive, open_archive
from consumer.storage.manifest import PICTURES as PICTURES_PREFIX
from consumer.storage.manifest import Manifest, manifest_key
from consumer.storage.marker import WithdrawalMarker, marker_key
from consumer.storage.references import article_digest
from consumer.storage.side_by_side import all_of

PICTURES: Final = 40
"""Pictures that are looked up: those announced last, each once."""

USES: Final = 200
"""Entries of the article that are looked at."""

_AT_ONCE: Final = 16
_OBJECT: Final = re.compile(rf"{PICTURES_PREFIX}/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.\w+")
_DIGEST: Final = re.compile("[0-9a-f]{64}")
"""Anybody may have written to the topic: only our own keys are looked up."""


async def look_up_files(settings: StorageSettings, timeline: Timeline, *, verify: bool) -> StoreFacts:
    """Return the state of what is stored. Never raises for a store that cannot be asked: its `problem` says why."""
    states: dict[str, FileState] = {}
    if not timeline.article:
        return StoreFacts()
    try:
        async with open_archive(settings) as archive:
            await _look_up(archive, _newest(timeline), states, verify=verify)
            uses = await _uses(archive, timeline)
            withdrawn = await _withdrawn(archive, timeline.article)
    except LeadartError as error:
        return StoreFacts(states, problem=error.message)
    return StoreFacts(states, uses, withdrawn)


async def _look_up(
    archive: Archive, pictures: Sequence[TracedPicture], states: dict[str, FileState], *, verify: bool
) -> None:
    files = {file.key: file for picture in pictures for file in picture.files if _OBJECT.fullmatch(file.key)}
    manifests = {manifest_key(picture.recipe): picture for picture in pictures if _DIGEST.fullmatch(picture.recipe)}
    found = await all_of([_file(archive, file, verify=verify) for file in files.values()], _AT_ONCE)
    states |= dict(zip(files, found, strict=True))
    found = await all_of([_manifest(archive, key, manifests[key]) for key in manifests], _AT_ONCE)
    states |= dict(zip(manifests, found, strict=True))


async def _uses(archive: Archive, timeline: Timeline) -> tuple[StoredUse, ...]:
    announced = {picture.recipe for outcome in timeline.outcomes for picture in outcome.pictures}
    async with archive.bounded():
        entries = await archive.users.entries(article_digest(timeline.article), None)
    calls = [_use(archive, user.slot, recipe, announced=recipe in announced) for user, recipe in entries[:USES]]
    return tuple(await all_of(calls, _AT_ONCE))


async def _use(archive: Archive, slot: str, recipe: str, *, announced: bool) -> StoredUse:
    text = None if announced else await archive.text(manifest_key(recipe))
    manifest = text.read(Manifest) if text else None
    return StoredUse(slot, recipe, announced, manifest.picture.key if manifest else "")


async def _withdrawn(archive: Archive, article: str) -> Mapping[str, str]:
    text = await archive.text(marker_key(article_digest(article)))
    marker = text.read(WithdrawalMarker) if text else None
    if marker is None:
        return {}
    return {**marker.slots, **({} if marker.all is None else {"": marker.all})}


def _newest(timeline: Timeline) -> list[TracedPicture]:
    pictures: dict[str, TracedPicture] = {}
    for outcome in reversed(timeline.outcomes):
        for picture in outcome.pictures:
            if len(pictures) < PICTURES:
                pictures.setdefault(f"{picture.master.key} {len(picture.files)}", picture)
    return list(pictures.values())


async def _file(archive: Archive, file: TracedFile, *, verify: bool) -> FileState:
    size = await archive.size_of(file.key)
    if size is None:
        return FileState.GONE
    if size != file.size:
        return FileState.DAMAGED
    if not verify:
        return FileState.THERE
    return FileState.THERE if await archive.digest_of(file.key) == file.sha256 else FileState.DAMAGED


async def _manifest(archive: Archive, key: str, picture: TracedPicture) -> FileState:
    text = await archive.text(key)
    if text is None:
        return FileState.GONE
    manifest = text.read(Manifest)
    sound = manifest is not None and manifest.picture.recipe == picture.recipe
    return FileState.THERE if sound else FileState.DAMAGED
