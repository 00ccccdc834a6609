from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from consumer.errors import Overloaded
from consumer.jobs import Master, PaintedFor, Recipe, StoredPicture, Use
from consumer.renditions import CENTRE, EncodedRenditions, RenditionOrder, RenditionSet
from consumer.storage import Manifest, manifest_key
from consumer.storage.archive import Sweep, SweepReport, UnchosenRule
from consumer.storage.archive import sweep as sweeping
from consumer.storage.marker import marker_key
from consumer.storage.references import article_digest
from consumer.storage.rendition_manifest import files_key
from tests.support.s3_memory import MemoryS3
from tests.support.samples import MADE, RECIPE

NOW = datetime(2026, 11, 30, tzinfo=UTC)
GRACE = timedelta(seconds=60)
RULE = UnchosenRule(NOW - timedelta(days=30), frozenset(["thumb"]))
THUMBS = RenditionOrder((RenditionSet("thumb", None, (320,), ()),), CENTRE)
FULL = RenditionOrder((*THUMBS.sets, RenditionSet("hero", (16, 9), (640,), ())), CENTRE)
ELSEWHERE = Use("a-2", "hero")
OFFER = PaintedFor("A drawing", 0, 9, Use("a-1", "hero"))


def recipe(seed: int) -> Recipe:
    return replace(RECIPE, seed=seed)


def made(text: str) -> EncodedRenditions:
    return replace(MADE, renditions=(replace(MADE.renditions[0], data=text.encode()),), missing=())


@dataclass
class Archive:
    """An archive under test, whose sweep waits no real time."""

    client: MemoryS3 = field(default_factory=MemoryS3)
    meanwhile: list[str] = field(default_factory=list)
    now: datetime = NOW
    painted: dict[int, StoredPicture] = field(default_factory=dict)

    async def paint(
        self, seed: int, *, asked: PaintedFor | None = OFFER, days: float = 31, data: str = "", full: bool = False
    ) -> StoredPicture:
        """Keep a picture as a worker did so many days ago, with its thumb."""
        store, data = self.client.store(), data or f"master {seed}"
        picture = await store.keep(recipe(seed), Master(data.encode(), "image/png", 8, 8), asked or OFFER)
        key = manifest_key(picture.recipe)
        manifest = Manifest.model_validate_json(self.client.objects[key])
        old = manifest.model_copy(update={"asked": asked, "created": NOW - timedelta(days=days)})
        self.client.objects[key] = old.model_dump_json().encode()
        await store.keep_renditions(picture, THUMBS, made(f"thumb of {data}"))
        if full:
            await store.keep_renditions(picture, FULL, made(f"hero of {data}"))
        self.painted[seed] = picture
        return picture

    def sweep(self) -> Sweep:
        """Return a run."""
        return Sweep(self.client.archive(), RULE, GRACE, now=lambda: self.now, pause=self._pause)

    async def swept(self) -> SweepReport:
        """Delete what nobody chose."""
        sweep = self.sweep()
        await sweep.withdraw(await sweep.find(lambda _share: None))
        return await sweep.finish()

    async def found(self) -> list[str]:
        """Return which pictures a sweep would delete, by their recipes."""
        return [each.recipe for each in await self.sweep().find(lambda _share: None)]

    async def _pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for doing in self.meanwhile:
            await getattr(self, doing)()

    async def choose(self) -> None:
        """Make the full renditions of the first picture, whose manifest a worker had found before it was deleted."""
        await self.client.store().keep_renditions(self.painted[1], FULL, made("chosen"))

    async def repaint(self) -> None:
        """Keep the first picture again, as for a request that did not find it any more."""
        await self.client.store().keep(recipe(1), Master(b"master 1", "image/png", 8, 8), OFFER)


def whole(client: MemoryS3) -> bool:
    """Return whether every object that a manifest names is there."""
    texts = [body.decode() for key, body in client.objects.items() if re.match("manifests/[0-9a-f]{2}/", key)]
    named = {key for text in texts for key in re.findall(r"pictures/[0-9a-f]{2}/[0-9a-f]{64}\.\w+", text)}
    return bool(named) and named <= client.objects.keys()


async def test_what_nobody_chose_is_deleted_with_all_that_belongs_to_it() -> None:
    """Manifests, objects and index go; nothing is left but the chosen picture."""
    archive = Archive()
    chosen = await archive.paint(2, full=True)
    before = dict(archive.client.objects)
    offered = await archive.paint(1)

    report = await archive.swept()

    assert archive.client.objects == before
    assert (report.pictures, report.objects, report.bytes) == (1, 2, len(b"master 1") + len(b"thumb of master 1"))
    assert await archive.client.store().find(recipe(1)) is None
    assert await archive.client.store().look_up(offered.sha256, by="sha256") is None
    assert await archive.client.store().find(recipe(2)) == chosen


async def test_only_old_offers_without_full_renditions_are_found() -> None:
    """A single picture, a young one, a chosen one, and one that does not say are left alone; the last is counted."""
    archive = Archive()
    await archive.paint(1)
    await archive.paint(2, asked=replace(OFFER, variants=1))
    await archive.paint(3, days=29)
    await archive.paint(4, full=True)
    await archive.paint(5, asked=None)
    sweep = archive.sweep()

    found = await sweep.find(lambda _share: None)

    assert [each.recipe for each in found] == [recipe(1).digest]
    assert (sweep.survey.pictures, sweep.survey.without_asked, sweep.survey.unreadable) == (5, 1, 0)


async def test_a_dry_run_tells_what_would_go_and_changes_nothing() -> None:
    """The same figures as the run itself."""
    archive = Archive()
    await archive.paint(1)
    await archive.paint(2)
    await archive.paint(3, full=True)
    archive.client.calls.clear()
    sweep = archive.sweep()

    preview = await sweep.preview(await sweep.find(lambda _share: None))

    assert archive.client.calls == []
    assert preview == await archive.swept()


async def test_manifests_go_first_and_objects_after_the_grace() -> None:
    """In between a picture is not found, and whoever found it before finds its objects."""
    archive = Archive()
    picture = await archive.paint(1)
    archive.client.calls.clear()
    sweep = archive.sweep()

    await sweep.withdraw(await sweep.find(lambda _share: None))
    assert await archive.client.store().find(recipe(1)) is None
    assert await archive.client.store().read(picture) == b"master 1"
    await sweep.finish()

    assert archive.now == NOW + GRACE
    deleted = [key for operation, key in archive.client.calls if operation == "DeleteObject"]
    assert deleted[2] == manifest_key(picture.recipe)
    assert deleted.index(picture.key) > max(
        number for number, key in enumerate(deleted) if key.startswith(f"manifests/{picture.recipe[:2]}/")
    )
    assert deleted[-1].startswith("manifests/sweep/")


async def test_an_object_that_another_manifest_names_stays() -> None:
    """Two recipes with the same bytes, as pictures without marks have them: the other is still found by both names."""
    archive = Archive()
    gone = await archive.paint(1, data="same")
    kept = await archive.paint(2, data="same", full=True)

    report = await archive.swept()

    assert (report.pictures, report.objects, report.named) == (1, 0, 2)
    assert gone.key == kept.key
    assert await archive.client.store().find(recipe(2)) == kept
    found = await archive.client.store().look_up(kept.sha256, by="sha256")
    assert found is not None
    assert found.stored == kept
    assert whole(archive.client)


async def test_what_a_manifest_of_a_later_version_names_stays() -> None:
    """It cannot be read, but the keys in its text can."""
    archive = Archive()
    picture = await archive.paint(1, data="same")
    archive.client.objects[f"manifests/ab/{'ab' * 32}.json"] = f'{{"format": 2, "k": "{picture.key}"}}'.encode()

    report = await archive.swept()

    assert (report.pictures, report.named) == (1, 1)
    assert picture.key in archive.client.objects


async def test_a_picture_with_unreadable_renditions_stays() -> None:
    """Nobody can tell whether it was chosen."""
    archive = Archive()
    picture = await archive.paint(1)
    archive.client.objects[f"manifests/{picture.recipe[:2]}/{picture.recipe}/x.json"] = b"{"
    sweep = archive.sweep()

    assert await sweep.find(lambda _share: None) == []
    assert sweep.survey.unreadable == 1


async def test_a_picture_chosen_between_search_and_deletion_stays() -> None:
    """A large archive takes long to search."""
    archive = Archive()
    picture = await archive.paint(1)
    sweep = archive.sweep()
    found = await sweep.find(lambda _share: None)

    await archive.choose()
    await sweep.withdraw(found)
    await sweep.finish()

    assert await archive.client.store().find(recipe(1)) == picture


async def test_a_picture_chosen_within_the_grace_comes_back() -> None:
    """A worker that had found it before its manifest went makes its renditions: the manifest is put back."""
    archive = Archive(meanwhile=["choose"])
    picture = await archive.paint(1)
    manifest = archive.client.objects[manifest_key(picture.recipe)]

    report = await archive.swept()

    assert (report.pictures, report.restored) == (0, 1)
    assert archive.client.objects[manifest_key(picture.recipe)] == manifest
    assert await archive.client.store().find(recipe(1)) == picture
    assert await archive.found() == []
    assert whole(archive.client)


async def test_a_picture_painted_again_within_the_grace_stays() -> None:
    """Its new manifest names the same object."""
    archive = Archive(meanwhile=["repaint"])
    picture = await archive.paint(1)

    assert (await archive.swept()).pictures == 0
    assert await archive.client.store().find(recipe(1)) == picture
    assert whole(archive.client)


async def _two_offers() -> Archive:
    archive = Archive()
    await archive.paint(1)
    await archive.paint(2)
    await archive.paint(3, full=True)
    archive.client.calls.clear()
    return archive


async def test_a_sweep_can_be_interrupted_anywhere() -> None:
    """After each of its changes: nothing that a manifest names is gone, and the next run leaves what one run leaves."""
    uninterrupted = await _two_offers()
    await uninterrupted.swept()
    changes = len(uninterrupted.client.calls)
    assert changes > 10
    for after in range(changes):
        archive = await _two_offers()

        def fails(operation: str, _key: str, archive: Archive = archive, after: int = after) -> int:
            return 503 if len(archive.client.calls) >= after and operation in {"PutObject", "DeleteObject"} else 0

        archive.client.fails = fails
        with pytest.raises(Overloaded):
            await archive.swept()
        archive.client.fails = lambda _operation, _key: 0
        assert whole(archive.client)

        await archive.swept()
        assert archive.client.objects.keys() == uninterrupted.client.objects.keys(), f"after {after} changes"


async def test_keys_that_may_not_delete_are_told_before_anything_changes() -> None:
    """A worker's keys: the sentence says whose are needed."""
    archive = await _two_offers()
    archive.client.fails = lambda operation, _key: 403 if operation == "DeleteObject" else 0

    with pytest.raises(Overloaded, match=r"may not delete objects: .* need keys that allow s3:DeleteObject"):
        await archive.swept()
    assert archive.client.calls == []


async def test_one_run_holds_a_bounded_number_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is left to the next run, and the report says that there are more."""
    archive = Archive()
    for seed in range(5):
        await archive.paint(seed)
    monkeypatch.setattr(sweeping, "MOST", 2)
    sweep = archive.sweep()

    assert len(await sweep.find(lambda _share: None)) == 2
    assert sweep.more
    for _ in range(3):
        await archive.swept()
    assert await archive.found() == []


async def test_a_fast_clock_elsewhere_costs_one_grace() -> None:
    """An interrupted run on a machine whose clock is a day ahead does not make the next one wait for a day."""
    archive = Archive(now=NOW + timedelta(days=1))
    await archive.paint(1)
    sweep = archive.sweep()
    await sweep.withdraw(await sweep.find(lambda _share: None))
    archive.now = NOW

    assert (await archive.swept()).pictures == 1
    assert archive.now == NOW + GRACE


async def test_a_picture_that_another_article_shows_stays() -> None:
    """Also if it is referred to between the search and the deletion, or within the grace."""
    for when in ("before", "between", "meanwhile"):
        archive = Archive()
        picture = await archive.paint(1)
        sweep = archive.sweep()
        if when == "before":
            assert await archive.client.store().refer(picture, ELSEWHERE)
        found = await sweep.find(lambda _share: None)
        assert len(found) == (when != "before")
        if when == "between":
            assert await archive.client.store().refer(picture, ELSEWHERE)
        await sweep.withdraw(found)
        if when == "meanwhile":
            assert not await archive.client.store().refer(picture, ELSEWHERE)
        await sweep.finish()

        assert await archive.client.store().find(recipe(1)) is not None, when
        assert whole(archive.client)


async def test_what_a_withdrawn_article_left_is_deleted() -> None:
    """A worker died over it, and no request has come since; a dry run counts it."""
    archive = Archive()
    picture = await archive.paint(1, asked=replace(OFFER, variants=1))
    marker = {"all": "0:1"}
    archive.client.objects[marker_key(article_digest("a-1"))] = json.dumps(marker).encode()

    assert (await archive.sweep().preview([])).withdrawn == 1
    assert picture.key in archive.client.objects
    assert (await archive.swept()).withdrawn == 1
    assert list(archive.client.objects) == [marker_key(article_digest("a-1"))]


async def test_users_of_a_picture_that_nobody_chose_go_with_it() -> None:
    """Its entry, the list of its files, and the files that a dead worker put without a manifest."""
    archive = Archive()
    picture = await archive.paint(1)
    orphan = f"pictures/ab/{'ab' * 32}.avif"
    archive.client.objects[orphan] = b"put before its worker died"
    listed = files_key(picture.recipe, "00" * 32, picture.sha256)
    archive.client.objects[listed] = json.dumps({"objects": [orphan]}).encode()

    await archive.swept()

    assert archive.client.objects == {}
