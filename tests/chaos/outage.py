"""Bounded under outage and load: a worker is watched while its broker or its store is away, and over a long backlog."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from tests.chaos.backlog import Tally, backlog, drain, publish_all
from tests.chaos.fleet import Fleet, running
from tests.chaos.load import Asked, make_load, publish
from tests.chaos.sampling import Sample, Sampler, sampled
from tests.chaos.servers import Servers, ordinary
from tests.chaos.site import empty, newsroom
from tests.support.harness import Cms, Site, WorkerProcess

AWAY_SECONDS = 120.0
SETTLE_SECONDS = 20.0
"""After an outage begins or ends, before memory and sockets are judged."""

TICK_SECONDS = 1.0
RECOVERY_SECONDS = 120.0
WARM_REQUESTS = 200
REQUESTS = 600
PER_TICK = 4
LARGE = (512,)
RECORDS = 100_000
FLAT = 0.10
WARM_SHARE = 1 / 3
"""Of a backlog's time, after which memory has to be flat: buffers are full and caches warm then."""

AHEAD = 1024
"""Records above the lowest unfinished one at which a worker stops reading on."""

SPARE_CONNECTIONS = 3
"""A client may hold one more connection to a broker than before: to a coordinator that it had not needed yet."""

SETTINGS = {"ENGINE__SWATCH_SECONDS": "0.4", "TOPICS__PARTITIONS": "12", "WORKER__RETRY_DELAY_SCALE": "0.02"}


@dataclass
class Stand:
    """One worker under watch."""

    servers: Servers
    site: Site
    desk: Cms
    sampler: Sampler
    worker: WorkerProcess


@dataclass
class Finding:
    """What one outage showed: figures for the report, and what was not as promised."""

    name: str
    told: str
    figures: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def line(self) -> dict[str, Any]:
        """As it stands in the book."""
        return {"name": self.name, "told": self.told, "figures": self.figures, "problems": self.problems}

    def judge(self, right: bool, problem: str) -> None:  # noqa: FBT001 - what is judged
        """Take note of a problem, if it is one."""
        if not right:
            self.problems.append(problem)


@asynccontextmanager
async def _stand(folder: Path, logs: Path) -> AsyncIterator[Stand]:
    empty(logs)
    async with ordinary(folder) as servers:
        site = Site.fresh(servers.kafka, servers.s3, **SETTINGS)
        await site.make_ready()
        fleet = Fleet(site, (), logs)
        async with newsroom(site) as desk, running(fleet, 1):
            async with sampled(fleet.workers[0].process.pid, servers) as sampler:
                yield Stand(servers, site, desk, sampler, fleet.workers[0])
            sampler.write(logs / "samples.csv")
            assert not fleet.exits, fleet.exits


async def broker_away(folder: Path, logs: Path) -> Finding:
    """The broker is killed while work is in hand and comes back after two minutes."""
    finding = Finding("Broker away", f"{broker_away.__doc__} {REQUESTS} requests wait when it goes.")
    async with _stand(folder, logs) as stand:
        load = make_load(7, count=REQUESTS)

        async def outage() -> None:
            await publish(stand.desk, load)
            await asyncio.to_thread(stand.servers.kafka.kill)
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(stand.servers.kafka.start)

        await _watch(stand, finding, load, outage)
    return finding


async def store_away(folder: Path, logs: Path) -> Finding:
    """The store is killed and comes back after two minutes."""
    finding = Finding(
        "Store away", f"{store_away.__doc__} Meanwhile requests for large pictures go on coming, four a second."
    )
    async with _stand(folder, logs) as stand:
        load = make_load(8, count=int(AWAY_SECONDS) * PER_TICK, sizes=LARGE)

        async def outage() -> None:
            await asyncio.to_thread(stand.servers.s3.kill)
            for first in range(0, len(load), PER_TICK):
                await publish(stand.desk, load[first : first + PER_TICK])
                await asyncio.sleep(TICK_SECONDS)
            await asyncio.to_thread(stand.servers.s3.start)

        await _watch(stand, finding, load, outage)
    return finding


async def long_lag(folder: Path, logs: Path) -> Finding:
    """A backlog of 100 000 records is published while the worker stands still."""
    finding = Finding(
        "Long backlog", f"{long_lag.__doc__} A fifth asks for pictures that are there, the rest is invalid."
    )
    async with _stand(folder, logs) as stand:
        warm, records = backlog(RECORDS)
        await publish(stand.desk, warm)
        await _answered(stand.desk, warm)
        stand.worker.signal(signal.SIGSTOP)
        await publish_all(stand.desk, records)
        stand.worker.signal(signal.SIGCONT)
        began = stand.sampler.now
        tally = await drain(stand.site, len(warm) + len(records))
        _judge_backlog(finding, stand.sampler, tally, len(warm) + len(records), began)
    return finding


async def _watch(stand: Stand, finding: Finding, load: Sequence[Asked], outage: Callable[[], Any]) -> None:
    """Warm up, have the outage, wait for every outcome, and compare what the worker took."""
    first = make_load(6, count=WARM_REQUESTS)
    await publish(stand.desk, first)
    await _answered(stand.desk, first)
    await asyncio.sleep(SETTLE_SECONDS / 2)
    began = stand.sampler.now
    await outage()
    ended, back = stand.sampler.now, time.monotonic()
    await _answered(stand.desk, load)
    recovered = time.monotonic() - back
    await asyncio.sleep(SETTLE_SECONDS)
    told = [outcome["request_id"] for outcome in stand.desk.outcomes()]
    waiting = stand.sampler.between(began + SETTLE_SECONDS, ended)
    finding.figures = {
        "Records": str(len(load)),
        "Lost": str(len({asked.id for asked in load} - set(told))),
        "Doubled": str(len(told) - len(set(told))),
        "Seconds until the last outcome": f"{recovered:.1f}",
        **_taken(finding, waiting),
        **_connections(finding, stand, began, ended),
    }
    finding.judge(set(told) >= {asked.id for asked in load}, "outcomes are missing")
    finding.judge(len(told) == len(set(told)), "outcomes came twice")


async def _answered(desk: Cms, load: Sequence[Asked]) -> None:
    due = {asked.id for asked in load}
    await desk.until(lambda: due <= {outcome["request_id"] for outcome in desk.outcomes()}, RECOVERY_SECONDS)


def _taken(finding: Finding, samples: Sequence[Sample]) -> dict[str, str]:
    """Judge and tell memory, and tell the processor's share."""
    sizes = [sample.rss for sample in samples]
    usual = median(sizes)
    spread = max(max(sizes) - usual, usual - min(sizes)) / usual
    finding.judge(spread <= FLAT, f"memory was not flat: {min(sizes):.0f} to {max(sizes):.0f} MiB")
    return {
        "Memory, MiB (least, median, most)": f"{min(sizes):.0f}, {usual:.0f}, {max(sizes):.0f}",
        "Memory's largest step from the median": f"{spread:.1%}",
        "Share of a core (mean, most in a second)": (
            f"{mean(sample.cpu for sample in samples):.1%}, {max(sample.cpu for sample in samples):.0%}"
        ),
    }


def _connections(finding: Finding, stand: Stand, began: float, ended: float) -> dict[str, str]:
    """Judge and tell connections: to the broker no more than work needed before, to the store no more than its pool."""
    sampler = stand.sampler
    whiles = (sampler.between(0, began), sampler.between(began, ended), sampler.samples[-3:])
    broker = [max(sample.to_broker for sample in each) for each in whiles]
    store = [max(sample.to_store for sample in each) for each in whiles]
    finding.judge(broker[-1] <= broker[0] + SPARE_CONNECTIONS, f"connections to the broker were left open: {broker}")
    finding.judge(store[-1] <= stand.site.settings.storage.connections, f"more than the store's pool is open: {store}")
    return {
        "Connections to the broker (before, most during, after)": ", ".join(map(str, broker)),
        "Connections to the store (before, most during, after)": ", ".join(map(str, store)),
    }


def _judge_backlog(finding: Finding, sampler: Sampler, tally: Tally, due: int, began: float) -> None:
    ended = sampler.now
    seconds = ended - began
    finding.figures = {
        "Records": str(due),
        "Lost": str(due - len(tally.requests)),
        "Doubled": str(tally.doubled),
        "Seconds until the last outcome": f"{seconds:.1f}",
        "Records a second": f"{due / seconds:.0f}",
        "Places of its partition that an outcome was out of order, at most": str(tally.displaced),
        "Memory when it began, MiB": f"{sampler.between(0, began)[-1].rss:.0f}",
        **_taken(finding, sampler.between(began + seconds * WARM_SHARE, ended)),
    }
    finding.judge(len(tally.requests) == due, "outcomes are missing")
    finding.judge(tally.doubled == 0, "outcomes came twice")
    finding.judge(tally.displaced <= AHEAD, f"an outcome came {tally.displaced} places out of order")


OUTAGES = (broker_away, store_away, long_lag)
