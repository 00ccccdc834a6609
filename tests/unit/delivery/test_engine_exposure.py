"""Who is in the engine, and who is blamed for a death."""

from __future__ import annotations

import asyncio

from consumer.delivery.engine_exposure import ANNOUNCE_SECONDS, MAX_EXPOSURES, EngineExposure, EnginePresence
from consumer.delivery.offset_metadata import MAX_SPAN, Exposure


def test_no_more_are_exposed_than_the_metadata_holds() -> None:
    """With as many in the engine as the metadata names, the next one waits; one that is known already does not."""
    exposure = EngineExposure()

    assert all(exposure.enter(offset, 0) for offset in range(MAX_EXPOSURES))
    assert not exposure.enter(MAX_EXPOSURES, 0)
    assert exposure.enter(3, 0)


def test_a_record_too_far_above_the_commit_waits() -> None:
    """The metadata names distances of a bounded length, so a record beyond the span waits for the lowest to finish."""
    assert not EngineExposure().enter(MAX_SPAN, 0)
    assert EngineExposure().enter(MAX_SPAN, 1)


def test_only_records_that_nobody_works_on_are_blamed() -> None:
    """A death counts against what another process left in its engine; this process's own records are still alive."""
    left = {0: Exposure(1, in_engine=True), 1: Exposure(0, in_engine=True), 2: Exposure(1, in_engine=False)}
    exposure = EngineExposure(left)

    assert exposure.blame({1: EnginePresence(0, lambda: None)}) == [0]
    assert exposure.records == {0: Exposure(2, in_engine=False), 1: Exposure(0, in_engine=False), 2: left[2]}


async def test_a_record_enters_once_it_is_announced() -> None:
    """Entering asks for a commit and waits for it; the exposure ends when the last use of the engine does."""
    asked: list[None] = []
    presence = EnginePresence(0, lambda: asked.append(None))
    with presence.entering() as first, presence.entering() as second:
        waiting = asyncio.ensure_future(asyncio.wait_for(asyncio.gather(first(), second()), ANNOUNCE_SECONDS / 2))
        await asyncio.sleep(0)
        assert (len(asked), presence.unannounced, waiting.done()) == (1, True, False)
        presence.announced()
        await waiting
        assert (presence.inside, presence.exposed, presence.unannounced) == (True, True, False)

    assert not presence.exposed


async def test_released_work_does_not_wait_for_the_group() -> None:
    """A picture of a record that is another owner's by now enters the engine at once: no commit will announce it."""
    presence = EnginePresence(0, lambda: None)
    with presence.entering() as before:
        presence.release()
        await asyncio.wait_for(before(), ANNOUNCE_SECONDS / 2)
    with presence.entering() as after:
        await asyncio.wait_for(after(), ANNOUNCE_SECONDS / 2)
        assert not presence.exposed
