"""`leadart bench replay`: throughput of a replay whose pictures exist already, on real servers.

Kafka, SeaweedFS and the worker are real and in processes of their own; only the engine is idle.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from consumer.admin.replay.selection import Filters, RangeEnd, ReplaySpec
from consumer.admin.replay.session import open_replay_session
from consumer.admin.replay.throttle import Throttle
from consumer.dev.bench.cms import publish_all, watching
from consumer.dev.bench.machine import machine
from consumer.dev.bench.reporting import BenchReport, met
from consumer.dev.demo.processes import WorkerProcess, running
from consumer.dev.demo.stack import StackPlan, open_stack
from consumer.settings import EngineKind, Settings
from schemas import names

REPLAY_BAR = 300.0
"""Bar: events per second on two cores."""

_SMALL = {"output": {"width": 64, "height": 64, "renditions": "none"}, "generation": {"steps": 1}}


@dataclass(frozen=True, slots=True)
class ReplayRound:
    """One replay: seconds of publishing, seconds from first to last outcome, and outcomes per second after the first.

    `worker_ms` is the worker's CPU time per event in milliseconds; None where the system does not report it.
    """

    publish_seconds: float
    seconds: float
    per_second: float
    worker_ms: float | None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """All replays of one run. `reused` of the `outcomes` needed no painting, according to the worker's log."""

    machine: Mapping[str, str]
    events: int
    rounds: tuple[ReplayRound, ...]
    outcomes: int
    reused: int

    @property
    def per_second(self) -> float:
        """The median over the rounds."""
        return median(each.per_second for each in self.rounds)

    @property
    def promise_kept(self) -> bool:
        """True if each replayed request got one outcome with stored pictures."""
        return self.outcomes == self.reused == self.events * len(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """Return all measurements as JSON types."""
        return {"per_second": self.per_second, "bar": REPLAY_BAR, "promise_kept": self.promise_kept, **asdict(self)}


def replay_report(result: ReplayResult) -> BenchReport:
    """Return the report of a run."""
    return BenchReport("leadart bench replay", _sentence(result), result.as_json(), passed=result.promise_kept)


def _sentence(result: ReplayResult) -> str:
    kept = "one outcome each, none painted" if result.promise_kept else "NOT one outcome each from the store"
    bar = met(result.per_second >= REPLAY_BAR)
    speeds = ", ".join(f"{each.per_second:,.0f}" for each in result.rounds)
    costs = [each.worker_ms for each in result.rounds if each.worker_ms is not None]
    cost = f"; the worker used {sum(costs) / len(costs):.1f} ms of CPU time per event" if costs else ""
    return (
        f"{result.per_second:,.0f} events/s answered from the store (rounds {speeds}; bar {REPLAY_BAR:.0f}: {bar}), "
        f"{kept}{cost}; {result.machine['processor']}"
    )


async def measure_replay(events: int, rounds: int, report: Callable[[str], None]) -> ReplayResult:
    """Have `events` small pictures made, then replay them `rounds` times, reporting each round.

    Raises `Fatal` when a server or the worker does not start, or outcomes stop; `BusError`.
    """
    facts = machine("aiokafka", "aioboto3")
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        async with open_stack(StackPlan(folder, EngineKind.SWATCH), report) as stack:
            worker = WorkerProcess(folder, {**stack.environment, "LEADART_WORKER__PROGRESS": "false"})
            async with running(worker, worker.stop, stack.start_seconds):
                async with watching(stack.settings) as watcher:
                    await publish_all(stack.settings, events, _SMALL)
                    await watcher.until(events, worker.check)
                report(f"{events} pictures are stored")
                done = [await _round(stack.settings, number, events, worker, report) for number in range(rounds)]
            outcomes, reused = _told(worker.log)
    return ReplayResult(facts, events, tuple(done), outcomes - events, reused)


async def _round(
    settings: Settings, number: int, events: int, worker: WorkerProcess, report: Callable[[str], None]
) -> ReplayRound:
    async with watching(settings) as watcher:
        begun, used = time.monotonic(), _cpu_seconds(worker.pid)
        await _publish(settings, number)
        published = time.monotonic()
        await watcher.until(events, worker.check)
    cpu = _cpu_seconds(worker.pid)
    each = None if cpu is None or used is None else 1000 * (cpu - used) / events
    done = ReplayRound(published - begun, *watcher.throughput(events), each)
    report(f"round {number + 1}: {done.per_second:,.0f} events/s, published in {done.publish_seconds:.1f} s")
    return done


async def _publish(settings: Settings, number: int) -> None:
    """Replay the whole lane under a new name, as `leadart replay --execute` does."""
    async with open_replay_session(settings, settings.topics.named(names.REQUESTED)) as session:
        offsets = await session.source.resolve(RangeEnd(offset=0), None)
        spec = ReplaySpec(offsets, Filters(), name=f"round {number}")
        survey = await session.survey(spec, lambda _share: None)
        await session.publish(spec, survey, Throttle(), lambda _records: None)


def _cpu_seconds(pid: int | None) -> float | None:
    """Return the CPU time that a process has used, from Linux's /proc; None elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _told(log: Path) -> tuple[int, int]:
    """Return the number of outcomes in the worker's log, and of those without painting."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"article_image"' in line]
    return len(lines), sum(bool(line.get("reused")) for line in lines)
