"""Which pictures nobody chose: offered beside others, and none of the full renditions were ever made of them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from consumer.jobs import Use
from consumer.storage.archive.contents import AT_ONCE, Archive, ManifestText, RecipeKeys
from consumer.storage.archive.users import used_by_others
from consumer.storage.manifest import PICTURES, Manifest, manifest_key, sweep_key
from consumer.storage.rendition_manifest import RenditionManifest
from consumer.storage.side_by_side import all_of

_OBJECT = re.compile(rf'"({PICTURES}/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.\w+)"'.encode())


class Unchosen(BaseModel):
    """A picture that nobody chose, with all that is stored of it: kept as a journal while it is deleted.

    `manifest` is the manifest's text, so that it can be put back. `objects` tells the bytes of each key.
    """

    model_config = ConfigDict(frozen=True)

    recipe: str
    sha256: str
    created: AwareDatetime
    manifest: str
    renditions: tuple[str, ...]
    objects: Mapping[str, int]
    deleted: AwareDatetime | None = None

    @property
    def journal_key(self) -> str:
        """Where it is written down before anything of it is deleted."""
        return sweep_key(self.recipe)

    @property
    def use(self) -> Use | None:
        """Who it was painted for, None if that is not known."""
        return Manifest.model_validate_json(self.manifest).use


@dataclass(slots=True)
class Survey:
    """What was seen of an archive: its pictures, of which those `without_asked` and the `unreadable` are left alone."""

    pictures: int = 0
    without_asked: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class UnchosenRule:
    """Painted `before`, one of several variants, with no renditions but those of the sets that every variant gets."""

    before: datetime
    thumbs: frozenset[str]

    def may_concern(self, manifest: Manifest) -> bool:
        """Return whether the picture was one of several, and painted long enough ago."""
        return manifest.asked is not None and manifest.asked.variants > 1 and manifest.created < self.before

    def is_choice(self, renditions: RenditionManifest) -> bool:
        """Return whether these renditions are more than an offer."""
        return not self.thumbs.issuperset(renditions.sets)


async def unchosen_of(archive: Archive, of: RecipeKeys, rule: UnchosenRule, survey: Survey) -> Unchosen | None:
    """Return the recipe's picture if nobody chose it."""
    found = await archive.text(manifest_key(of.recipe))
    if found is None:
        return None
    survey.pictures += 1
    manifest = found.read(Manifest)
    if manifest is None or manifest.picture.recipe != of.recipe:
        survey.unreadable += 1
        return None
    survey.without_asked += manifest.asked is None
    if not rule.may_concern(manifest):
        return None
    renditions = [text.read(RenditionManifest) for key in of.renditions if (text := await archive.text(key))]
    read = [each for each in renditions if each is not None]
    if len(read) < len(renditions):
        survey.unreadable += 1
        return None
    if any(map(rule.is_choice, read)) or await used_by_others(archive, of.recipe, manifest.use):
        return None
    listed = [text for key in of.lists if (text := await archive.text(key)) is not None]
    objects = {key: 0 for each in listed for key in _objects_in(each)}  # put, perhaps, by a worker that died
    objects |= {file.key: file.bytes_ for each in read for file in each.renditions}
    return Unchosen(
        recipe=of.recipe,
        sha256=manifest.picture.sha256,
        created=manifest.created,
        manifest=found.text.decode(),
        renditions=tuple(of.renditions),
        objects={manifest.picture.key: manifest.picture.bytes_, **objects},
    )


async def named_by(archive: Archive, keys: Collection[str], *, but: Collection[str] = ()) -> dict[str, str]:
    """Return those of the objects' keys that any manifest names, each with its recipe, `but` for these recipes'.

    Manifests that cannot be read count too: every key in their text is spared.
    """
    named: dict[str, str] = {}

    async def read(of: RecipeKeys, key: str) -> None:
        if text := await archive.text(key):
            named.update({each: of.recipe for each in _objects_in(text) if each in keys})

    for shard in await archive.shards():
        recipes = [of for of in await archive.shard(shard) if of.recipe not in but]
        await all_of([read(of, key) for of in recipes for key in of.all], AT_ONCE)
    return named


def _objects_in(manifest: ManifestText) -> Iterator[str]:
    return (key.decode() for key in _OBJECT.findall(manifest.text))
