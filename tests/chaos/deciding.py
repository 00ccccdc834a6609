"""Plays what editors decide against what may happen to workers and store; the table of its own in the report."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from consumer.failpoints import Failpoint
from tests.chaos import strikes
from tests.chaos.counting import mismatched, pictures_in
from tests.chaos.editorial import Choice, Pause, PolicyReload, Story, TakeDown, Told, publish
from tests.chaos.matrix import Row
from tests.chaos.play import OUTCOME_SECONDS, STRIKE_SECONDS, opened, unready
from tests.chaos.scene import Scene
from tests.chaos.servers import Servers

STORIES: Final[Mapping[str, Callable[[], Story]]] = {
    "choice": Choice,
    "take_down": TakeDown,
    "policy_reload": PolicyReload,
    "pause": Pause,
}


class Trouble(StrEnum):
    """What strikes while the decisions are on their way."""

    KILL = "kill"
    FREEZE = "freeze"
    REBALANCE = "rebalance"
    STORE_DOWN = "store_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One cell. All but `requests` and the times is 0 or empty when everything was kept."""

    row: str
    column: str
    fired: bool
    requests: int = 0
    lost: int = 0
    doubled: int = 0
    mismatched: int = 0
    choices_lost: int = 0
    left_behind: int = 0
    wrong: int = 0
    behind: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    unready: str = ""
    error: str = ""
    recover_seconds: float = 0.0
    day: str = ""

    @property
    def kept(self) -> bool:
        """Whether the strike fell and every promise was kept."""
        told = {"row", "column", "fired", "requests", "recover_seconds", "day"}
        return self.fired and not any(getattr(self, one.name) for one in fields(self) if one.name not in told)


async def rebalance(scene: Scene) -> None:
    """Another worker joins the group, which takes the shards from all and gives them out anew; then it leaves."""
    joining = scene.fleet.add()
    scene.release()
    await scene.fleet.ready()
    await scene.fleet.stop(joining, replaced=False)


_STRIKES: Final[Mapping[Trouble, tuple[Failpoint, Callable[[Scene], Awaitable[None]]]]] = {
    Trouble.KILL: (Failpoint.BEGUN, strikes.kill_worker),
    Trouble.FREEZE: (Failpoint.BEGUN, strikes.freeze_worker),
    Trouble.REBALANCE: (Failpoint.TAKEN, rebalance),
    Trouble.STORE_DOWN: (Failpoint.TAKEN, strikes.kill_store),
}


async def decide(name: str, trouble: Trouble, servers: Servers, folder: Path) -> Decided:
    """Play one cell."""
    place, strike = _STRIKES[trouble]
    story, seed = STORIES[name](), zlib.crc32(f"{name}:{trouble}".encode())
    cell: dict[str, Any] = {"row": name, "column": trouble.value, "day": time.strftime("%Y-%m-%d")}
    files = folder.with_name(f"{folder.name}-files")
    files.mkdir(parents=True, exist_ok=True)
    row = Row(name, strike, settings=story.settings(files))
    async with opened(row, servers, folder, seed) as scene:
        told = story.before()
        await publish(scene.desk, told)
        await _heard(scene, told)
        scene.victim = random.Random(seed).choice(scene.fleet.workers)
        catching = asyncio.create_task(scene.caught(place))
        during = await story.during(scene, scene.desk.outcomes())
        await publish(scene.desk, during)
        if not await catching:
            return Decided(**cell, fired=False)
        struck = time.monotonic()
        async with asyncio.timeout(STRIKE_SECONDS):
            await strike(scene)
        behind = await story.behind(scene)
        await publish(scene.desk, behind)
        told += during + behind
        await _heard(scene, told)
        recovered = round(time.monotonic() - struck, 2)
        facts = await _facts(scene, story, told)
    return Decided(**cell, fired=True, requests=len(told), recover_seconds=recovered, **facts)


async def _heard(scene: Scene, told: list[Told]) -> None:
    """Wait for an outcome of each record; those that never come are counted as lost."""
    due = Counter(one.event_id for one in told)
    with suppress(AssertionError):
        await scene.desk.until(lambda: not due - _counted(scene), OUTCOME_SECONDS)


async def _facts(scene: Scene, story: Story, told: list[Told]) -> dict[str, Any]:
    trouble, behind = await unready(scene.fleet), await scene.drained()
    await scene.desk.settle()
    outcomes, due, heard = scene.desk.outcomes(), Counter(one.event_id for one in told), _counted(scene)
    faults = await story.faults(scene.site, outcomes)
    gone = {one["article"]["id"] for one in outcomes if one["ce"]["type"].endswith("image-withdrawn.v1")}
    shown = [one for one in outcomes if one["article"]["id"] not in gone]
    return {
        "lost": (due - heard).total(),
        "doubled": (heard - due).total(),
        "mismatched": await mismatched(pictures_in(shown)),
        "unready": trouble,
        "behind": behind,
        "exits": tuple(scene.fleet.exits),
        **asdict(faults),
    }


def _counted(scene: Scene) -> Counter[str]:
    return Counter(one["request_id"] for one in scene.desk.outcomes())
