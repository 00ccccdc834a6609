from __future__ import annotations

import asyncio

import pytest

from consumer.storage.freshness import Fresh


class Looks:
    """Counts looks, each of which takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.count, self.now, self.seconds = 0, 100.0, seconds

    async def look(self) -> None:
        self.count += 1
        self.now += self.seconds
        await asyncio.sleep(0)

    def fresh(self) -> Fresh:
        return Fresh(self.look, lambda: self.now)


async def test_a_look_lasts_for_two_seconds() -> None:
    """The first step looks, the next ones rely on it, and one after a pause looks again."""
    looks = Looks()
    fresh = looks.fresh()
    for now, count in ((100.0, 1), (101.9, 1), (102.5, 2)):
        looks.now = now
        await fresh.ensure()
        assert looks.count == count


async def test_steps_side_by_side_share_a_look() -> None:
    """Deletions are made several at once."""
    looks = Looks()
    fresh = looks.fresh()

    await asyncio.gather(*(fresh.ensure() for _ in range(8)))

    assert looks.count == 1


async def test_a_look_during_which_the_process_froze_is_repeated() -> None:
    """What it saw may be old."""
    looks = Looks(seconds=60)

    await looks.fresh().ensure()

    assert looks.count > 1


async def test_what_a_look_raises_ends_the_step() -> None:
    """Nothing is deleted then."""

    async def raises() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await Fresh(raises).ensure()
