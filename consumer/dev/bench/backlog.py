"""`leadart bench backlog`: what a long backlog costs in worker memory and in the time of `leadart lag`.

Kafka, SeaweedFS and the worker are real. The engine is slow, so that the same number of records is in flight whether a
thousand records wait or a million.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from consumer.dev.bench.cms import publish_all
from consumer.dev.bench.machine import machine
from consumer.dev.bench.reporting import BenchReport, met
from consumer.dev.demo.processes import WorkerProcess, running
from consumer.dev.demo.stack import Stack, StackPlan, open_stack
from consumer.errors import Fatal
from consumer.kafka.topics import StartPosition, apply
from consumer.settings import EngineKind
from consumer.storage import S3Store
from schemas import Reason

LAG_BAR = 1.0
"""Time limit in seconds for `leadart lag`, its own start included."""

SPREAD_BAR = 0.05
"""Allowed difference of peak memory from that of the shortest backlog."""

PARTITIONS = 12

_SMALL = {"output": {"width": 64, "height": 64}, "generation": {"steps": 1}}
_WAVE = 10_000
_SWATCH_SECONDS = 1.0
_SAMPLE_SECONDS = 0.25
_ASKED = 5
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BacklogStep:
    """Measurements with `records` waiting: the worker's memory in MiB, and seconds of each `leadart lag`."""

    records: int
    memory_peak: float
    memory_median: float
    lag_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BacklogResult:
    """All backlogs of one run, shortest first. `start_seconds` are those of `leadart --version`, for comparison."""

    machine: Mapping[str, str]
    worked_seconds: float
    start_seconds: tuple[float, ...]
    steps: tuple[BacklogStep, ...]

    @property
    def spread(self) -> float:
        """Largest relative difference of a peak from that of the shortest backlog."""
        first = self.steps[0].memory_peak
        return max(abs(step.memory_peak - first) for step in self.steps) / first

    @property
    def lag_median(self) -> float:
        """Median seconds of `leadart lag`, at the backlog where it took longest."""
        return max(median(step.lag_seconds) for step in self.steps)

    @property
    def flat(self) -> bool:
        """True if memory does not grow with the backlog."""
        return self.spread <= SPREAD_BAR

    @property
    def soon(self) -> bool:
        """True if `leadart lag` answered in time."""
        return self.lag_median < LAG_BAR

    def as_json(self) -> dict[str, Any]:
        """Return everything measured, as JSON types."""
        concluded = {"spread": self.spread, "flat": self.flat, "lag_median": self.lag_median, "soon": self.soon}
        return {**concluded, **asdict(self)}


def backlog_report(result: BacklogResult) -> BenchReport:
    """Return the report of a run."""
    return BenchReport("leadart bench backlog", _sentence(result), result.as_json(), passed=result.flat and result.soon)


def _sentence(result: BacklogResult) -> str:
    flat, soon = (met(kept) for kept in (result.flat, result.soon))
    first, last = result.steps[0], result.steps[-1]
    return (
        f"From {first.records:,} to {last.records:,} waiting records the worker's memory differs by at most "
        f"{result.spread:.1%} (bar {SPREAD_BAR:.0%}: {flat}); leadart lag over {PARTITIONS} partitions of every lane "
        f"takes {result.lag_median:.2f} s (bar {LAG_BAR:.0f} s: {soon}), {median(result.start_seconds):.2f} s of it "
        f"the start of any leadart command; {result.machine['processor']}"
    )


async def measure_backlog(sizes: Sequence[int], seconds: float, report: Callable[[str], None]) -> BacklogResult:
    """Measure ever longer backlogs: at each size a worker of a new group works for `seconds`.

    Raises `Fatal` when a server or the worker does not start, or where the system does not report process memory.
    """
    facts = machine("aiokafka")
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        plan = StackPlan(Path(scratch), EngineKind.SWATCH, partitions=PARTITIONS)
        async with open_stack(plan, report) as stack:
            start = [await _timed("--version", environment=stack.environment) for _ in range(_ASKED)]
            steps, waiting = [], 0
            for size in sizes:
                while waiting < size:
                    waiting += len(await publish_all(stack.settings, min(_WAVE, size - waiting), _SMALL))
                steps.append(await _step(stack, Path(scratch), size, seconds))
                report(_said(steps[-1]))
    return BacklogResult(facts, seconds, tuple(start), tuple(steps))


async def _step(stack: Stack, folder: Path, size: int, seconds: float) -> BacklogStep:
    group = f"backlog-{size}"
    kafka = stack.settings.kafka.model_copy(update={"group_id": group})
    await apply(stack.settings.model_copy(update={"kafka": kafka}), StartPosition.EARLIEST)
    # A store of its own: pictures of earlier steps would be reused instead of painted.
    storage = stack.settings.storage.model_copy(update={"bucket": group})
    async with S3Store(storage) as store:
        await store.prepare(create=True)
    environment = {
        **stack.environment,
        "LEADART_STORAGE__BUCKET": group,
        "LEADART_KAFKA__GROUP_ID": group,
        "LEADART_ENGINE__SWATCH_SECONDS": str(_SWATCH_SECONDS),
        "LEADART_WORKER__PROGRESS": "false",
    }
    worker = WorkerProcess(folder, environment)
    async with running(worker, worker.stop, stack.start_seconds):
        memory = await _memory(worker, seconds)
        lag = [await _timed("lag", "--json", environment=environment) for _ in range(_ASKED)]
        worker.check()
    return BacklogStep(size, max(memory), median(memory), tuple(lag))


async def _memory(worker: WorkerProcess, seconds: float) -> list[float]:
    """Sample the worker's resident memory, in MiB, for `seconds`."""
    seen, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        worker.check()
        seen.append(_resident(worker.pid))
        await asyncio.sleep(_SAMPLE_SECONDS)
    return seen


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError as error:
        raise Fatal(Reason.MISCONFIGURED, f"This system does not report process memory: {error}") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _timed(*arguments: str, environment: Mapping[str, str]) -> float:
    """Run `leadart` and return its seconds from start to exit."""
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "consumer", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            _, complaint = await process.communicate()
    except TimeoutError as error:
        raise Fatal(Reason.INTERNAL, f"leadart {arguments[0]} did not end within {_ANSWER_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Fatal(Reason.INTERNAL, f"leadart {arguments[0]} failed: {complaint.decode(errors='replace')[-500:]}")
    return time.monotonic() - begun


def _said(step: BacklogStep) -> str:
    return (
        f"{step.records:,} records waiting: peak memory {step.memory_peak:.1f} MiB, "
        f"leadart lag takes {median(step.lag_seconds):.2f} s"
    )
