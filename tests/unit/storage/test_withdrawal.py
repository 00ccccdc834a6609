"""Withdrawals on an S3 client in memory: killed anywhere, frozen anywhere, raced by painters and by each other."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from consumer.errors import WithdrawnMeanwhile
from consumer.jobs import StoredPicture
from tests.support.s3_memory import at_once
from tests.support.withdrawing import A, Archive, B, Interleaved, Killed, KilledAfter, recipe

SCHEDULES = 120
BY = "0:17"


async def shared() -> tuple[Archive, StoredPicture, StoredPicture]:
    """Return an archive in which A has a picture of its own, and one that B shows, too."""
    archive = Archive()
    own = await archive.paint(A, 1)
    await archive.render(own)
    common = await archive.paint(A, 2)
    await archive.render(common)
    assert await archive.store.refer(common, B)
    return archive, own, common


async def test_a_withdrawal_leavesat_once_but_the_marker() -> None:
    """Masters, renditions, manifests, index, users: all gone, and what was deleted is told."""
    archive = Archive()
    picture = await archive.paint(A)
    await archive.render(picture)
    pictures = {key for key in archive.client.objects if key.startswith("pictures/")}

    done = await archive.store.withdraw("article-a", None, BY)

    assert archive.left() == set()
    assert len(archive.client.objects) == 1
    assert set(done.objects) == pictures
    assert (set(done.slots), done.shared) == ({"hero"}, 0)


async def test_a_shared_picture_stays_until_the_last_user_goes() -> None:
    """The first withdrawal leaves it whole, with its renditions; the second leaves nothing."""
    archive, _, common = await shared()

    first = await archive.store.withdraw("article-a", None, BY)
    assert (len(first.objects), first.shared) == (3, 1)
    assert await archive.whole(common)
    assert archive.promises_kept()

    await archive.store.withdraw("article-b", None, BY)
    assert archive.left() == set()


async def test_whoever_comes_back_to_a_shared_picture_is_counted_again() -> None:
    """After its restoration A has to be referred to, and then keeps the picture when B goes."""
    archive, _, common = await shared()
    await archive.store.withdraw("article-a", None, BY)
    await archive.store.restore("article-a", None)

    found = await archive.store.find(recipe(2))
    assert found is not None
    assert found.painted_for == B
    assert await archive.store.refer(found, A)
    await archive.store.withdraw("article-b", None, BY)

    assert await archive.whole(common)
    await archive.store.withdraw("article-a", None, "0:19")
    assert archive.left() == set()


async def test_nothing_is_stored_for_a_withdrawn_article() -> None:
    """A painter and a new user find out, and leave nothing."""
    archive = Archive()
    await archive.store.withdraw("article-a", None, BY)
    picture = await archive.paint(B)

    with pytest.raises(WithdrawnMeanwhile):
        await archive.paint(A)
    with pytest.raises(WithdrawnMeanwhile):
        await archive.store.refer(picture, A)

    await archive.store.withdraw("article-b", None, BY)
    assert archive.left() == set()


async def test_a_restored_article_is_painted_again() -> None:
    """And a worker that was frozen since the withdrawal does not repeat it."""
    archive = Archive()
    await archive.paint(A)
    await archive.store.withdraw("article-a", None, BY)
    await archive.store.restore("article-a", None)
    picture = await archive.paint(A)

    await archive.store.withdraw("article-a", None, BY)

    assert await archive.whole(picture)


async def test_a_finished_withdrawal_looks_for_leftovers_with_one_call() -> None:
    """Every later request of the article asks: that must not cost more than a listing each."""
    archive = Archive()
    await archive.store.withdraw("article-a", None, BY)
    count = KilledAfter(2)
    archive.client.turn = count

    assert await archive.store.withdraw("article-a", "hero") == await archive.store.withdraw("article-b", "hero")


async def _until_killed(archive: Archive, calls: int, work: Callable[[], Awaitable[Any]]) -> bool:
    """Do the work of a worker that dies after so many calls; return whether it did."""
    archive.client.turn = KilledAfter(calls)
    try:
        await work()
    except Killed:
        return True
    finally:
        archive.client.turn = at_once
    return False


async def test_a_withdrawal_may_be_killed_at_every_call() -> None:
    """Others' pictures are whole at any time, and the next call leaves what one call leaves."""
    for calls in range(1000):
        archive, _, common = await shared()
        killed = await _until_killed(archive, calls, lambda: archive.store.withdraw("article-a", None, BY))  # noqa: B023
        assert await archive.whole(common), calls

        await archive.store.withdraw("article-a", None, BY)
        assert await archive.whole(common), calls
        assert archive.promises_kept(), calls
        await archive.store.withdraw("article-b", None, BY)
        assert archive.left() == set(), calls
        if not killed:
            assert calls > 40
            return
    pytest.fail("it never ended")


async def test_a_painter_may_be_killed_at_every_call() -> None:
    """Whatever a dead worker has put for the article is found by the withdrawal."""
    for calls in range(1000):
        archive = Archive()

        async def work(archive: Archive = archive) -> None:
            await archive.render(await archive.paint(A))

        killed = await _until_killed(archive, calls, work)
        await archive.store.withdraw("article-a", None, BY)
        assert archive.left() == set(), calls
        if not killed:
            assert calls > 15
            return
    pytest.fail("it never ended")


async def test_a_painter_that_was_killed_with_other_bytes_leavesat_once_either() -> None:
    """A retry on another device may paint other bytes: both objects are known to the entry."""
    for calls in range(12):
        archive = Archive()
        await _until_killed(archive, calls, lambda: archive.paint(A, data="first"))  # noqa: B023
        await archive.paint(A, data="second")
        await archive.store.withdraw("article-a", None, BY)
        assert archive.left() == set(), calls


@dataclass
class FrozenAfter:
    """Freezes a worker after so many calls, but not between its last look and a deletion, which are one to it."""

    calls: int
    archive: Archive
    over: bool = False

    async def __call__(self, operation: str) -> None:
        self.calls -= 1
        if self.calls >= 0 or self.over or operation == "DeleteObject":
            return
        self.over = True
        await self.archive.store.withdraw("article-a", None, BY)
        await self.archive.store.restore("article-a", None)
        await self.archive.paint(A)
        self.archive.now += 10


async def test_a_frozen_withdrawal_deletesat_once_that_was_painted_since() -> None:
    """Another worker finished it, the article was restored and painted again, and then the first one goes on."""
    for calls in range(1000):
        archive = Archive()
        await archive.render(await archive.paint(A))
        frozen = FrozenAfter(calls, archive)
        archive.client.turn = frozen
        await archive.store.withdraw("article-a", None, BY)
        archive.client.turn = at_once
        if not frozen.over:
            assert calls > 30
            return
        found = await archive.store.find(recipe(1))
        assert found is not None, calls
        assert archive.promises_kept(), calls
        await archive.store.withdraw("article-a", None, "0:19")
        assert archive.left() == set(), calls
    pytest.fail("it never ended")


async def _race(seed: int, archive: Archive, *calls: Any) -> list[Any]:
    turns = Interleaved(random.Random(seed))
    archive.client.turn = turns
    ended = await turns.run(*calls)
    archive.client.turn = at_once
    for end in ended:
        if isinstance(end, BaseException) and not isinstance(end, WithdrawnMeanwhile):
            raise end
    return ended


async def _all_gone(archive: Archive) -> bool:
    for article in ("article-a", "article-b", "article-c"):
        with suppress(WithdrawnMeanwhile):
            await archive.store.withdraw(article, None, "0:99")
    return archive.left() == set()


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_painter_of_another_article_races_with_the_withdrawal(seed: int) -> None:
    """In any order of calls: what it announces is there, and is deleted only with its own article."""
    archive = Archive()
    await archive.render(await archive.paint(A))

    _, painted = await _race(seed, archive, archive.store.withdraw("article-a", None, BY), archive.announce(B))

    assert await archive.whole(painted)
    assert await _all_gone(archive)


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_new_user_races_with_the_withdrawal(seed: int) -> None:
    """Told that the picture is there, it stays; told that it is gone, it is painted again."""
    archive = Archive()
    picture = await archive.paint(A)

    _, there = await _race(
        seed, archive, archive.store.withdraw("article-a", None, BY), archive.store.refer(picture, B)
    )

    if not there:
        await archive.paint(B)
    assert await archive.whole(picture)
    assert await _all_gone(archive)


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_painter_of_the_article_races_with_the_withdrawal(seed: int) -> None:
    """With renditions and all: nothing is left but the marker."""
    archive = Archive()

    async def work() -> None:
        await archive.render(await archive.paint(A))

    await _race(seed, archive, work(), archive.store.withdraw("article-a", None, BY))

    assert archive.left() == set()


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_renditions_race_with_the_withdrawal(seed: int) -> None:
    """Of a picture that goes they go, too; of one that another article shows they stay."""
    archive = Archive()
    picture, other = await archive.paint(A, 1), await archive.paint(A, 2)
    await archive.store.refer(other, B)

    _, _, kept = await _race(
        seed,
        archive,
        archive.store.withdraw("article-a", None, BY),
        archive.render(picture),
        archive.render(other),
    )

    assert kept
    assert await archive.whole(other)
    assert archive.promises_kept()
    assert not [key for key in archive.left() if recipe(1).digest in key or picture.sha256 in key]
    assert await _all_gone(archive)


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_two_withdrawals_of_a_shared_picture_race(seed: int) -> None:
    """Neither leaves it to the other."""
    archive, _, _ = await shared()

    await _race(
        seed,
        archive,
        archive.store.withdraw("article-a", None, BY),
        archive.store.withdraw("article-b", None, BY),
    )

    assert archive.left() == set()
