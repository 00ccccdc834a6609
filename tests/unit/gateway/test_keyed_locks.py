"""`consumer.gateway.keyed_locks`: one at a time of a name."""

from __future__ import annotations

import asyncio

import pytest

from consumer.gateway.keyed_locks import KeyedLocks


async def test_one_at_a_time_of_a_name() -> None:
    """Others of the same name wait in turn; those of another do not."""
    locks, order = KeyedLocks(), list[str]()
    leave = asyncio.Event()

    async def enter(name: str, who: str) -> None:
        async with locks.held(name):
            order.append(who)
            await leave.wait()

    async with asyncio.TaskGroup() as tasks:
        for name, who in (("a", "first"), ("a", "second"), ("b", "third")):
            tasks.create_task(enter(name, who))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == ["first", "third"]
        leave.set()
    assert order == ["first", "third", "second"]


async def test_a_failure_and_a_cancelled_wait_leave_the_name_free() -> None:
    """Whoever fails, or gives up waiting, holds nothing."""
    locks = KeyedLocks()
    async with locks.held("a"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), locks.held("a"):
                pass
    with pytest.raises(ValueError, match="broken"):
        await _fail_within(locks)
    async with asyncio.timeout(1), locks.held("a"):
        pass


async def _fail_within(locks: KeyedLocks) -> None:
    async with locks.held("a"):
        raise ValueError("broken")
