"""The measurements of `leadart bench worker`, the conclusions and the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from consumer.dev.bench.reporting import BenchReport, Rows, markdown_table, met, spread

WORKER_BAR = 0.97
"""Bar on a GPU: the whole worker's throughput as a share of the bare engine's."""


class WorkerSide(StrEnum):
    """Who paints."""

    ENGINE = "engine alone"
    WORKER = "whole worker"


@dataclass(frozen=True, slots=True)
class WorkerTurn:
    """One side's turn at all pictures: seconds, and CPU seconds of the worker's process without the engine's."""

    side: WorkerSide
    turn: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """All turns of one run. `engine_threads` 0 means torch's own choice."""

    machine: Mapping[str, str]
    on_gpu: bool
    shape: str
    pictures: int
    window: int
    engine_threads: int
    encode_threads: int
    turns: tuple[WorkerTurn, ...]

    def speeds(self, side: WorkerSide) -> list[float]:
        """Return a side's pictures per second, turn by turn."""
        return [self.pictures / turn.seconds for turn in self.turns if turn.side is side]

    def speed(self, side: WorkerSide) -> float:
        """Return the median of a side's pictures per second."""
        return median(self.speeds(side))

    def cpu_seconds(self, side: WorkerSide) -> float:
        """Return the median of the worker process's CPU seconds per picture."""
        return median(turn.cpu_seconds / self.pictures for turn in self.turns if turn.side is side)

    @property
    def ratio(self) -> float:
        """Ratio of the median throughputs, the whole worker's over the bare engine's."""
        return self.speed(WorkerSide.WORKER) / self.speed(WorkerSide.ENGINE)

    def as_json(self) -> dict[str, Any]:
        """Return all measurements and conclusions as JSON types."""
        sides = {
            side.value: {
                "pictures_per_second": {"median": self.speed(side), "turns": self.speeds(side)},
                "cpu_seconds_per_picture": self.cpu_seconds(side),
            }
            for side in WorkerSide
        }
        return {**asdict(self), "machine": dict(self.machine), "ratio": self.ratio, "bar": WORKER_BAR, "sides": sides}


def worker_report(result: WorkerResult) -> BenchReport:
    """Return the report of a run."""
    turns = ("Round", *(f"{side}, pictures/s" for side in WorkerSide), "Ratio")
    return BenchReport(
        name="leadart bench worker",
        title="The whole worker beside its engine alone",
        verdict=_verdict(result),
        figures=result.as_json(),
        head=("", *WorkerSide),
        rows=_rows(result),
        sections=["## Turn by turn", markdown_table(turns, _turns(result))],
        machine=result.machine,
        explanation=_explained(result),
    )


def _rows(result: WorkerResult) -> Rows:
    """Return the comparison: name, the engine's figure, the worker's."""
    return [
        ("pictures/s, median", *(f"{result.speed(side):.3f}" for side in WorkerSide)),
        ("pictures/s, slowest to fastest turn", *(spread(result.speeds(side), ".3f") for side in WorkerSide)),
        (
            "CPU seconds per picture outside the engine process",
            *(f"{result.cpu_seconds(side):.4f}" for side in WorkerSide),
        ),
    ]


def _verdict(result: WorkerResult) -> str:
    sentence = f"The whole worker paints {result.ratio:.3f} times as many pictures per second as its engine alone"
    if result.on_gpu:
        return f"{sentence} (bar {WORKER_BAR:g}: {met(result.ratio >= WORKER_BAR)})."
    return (
        f"{sentence}, on a CPU, where encoding and painting share cores; the bar of {WORKER_BAR:g} is for a GPU and "
        "has not been measured."
    )


def _turns(result: WorkerResult) -> Rows:
    turns = zip(*(result.speeds(side) for side in WorkerSide), strict=True)
    return [
        (str(turn + 1), f"{engine:.3f}", f"{worker:.3f}", f"{worker / engine:.3f}")
        for turn, (engine, worker) in enumerate(turns)
    ]


def _explained(result: WorkerResult) -> str:
    return _EXPLANATION.format(
        shape=result.shape,
        pictures=result.pictures,
        window=result.window,
        threads=result.engine_threads or "torch's own choice of",
        encoders=result.encode_threads,
    )


_EXPLANATION = """\
## What was done

Both sides paint the same {pictures} pictures of {shape} (width x height x steps x guidance) with the same engine
process, in turns; the order alternates from round to round. The engine computes with {threads} CPU threads. An untimed
turn comes first, so that the engine remembers the prompts for both sides: that makes it faster and the worker's share
larger.

- **engine alone**: the engine process gets all pictures at once; the clock stops with the last one's pixels.
- **whole worker**: one request per picture is published; the clock stops when a subscriber sees the last outcome.
  In between is the whole worker: poll loop, shard owner, transactions, request handler, pipeline, admission ({window}
  pictures at the engine at a time), encoder (checks, PNG, provenance; {encoders} threads), store, the full set of
  renditions, outcome builder.

## What is left out

- Kafka and the store are their in-memory twins: no network. The cost of Kafka is in [delivery.md](delivery.md).
- Progress events are off.

## Run it

```sh
leadart bench worker --random tiny --threads 1 --write
leadart bench worker --random full --device cuda:0 --write
leadart bench worker --model FOLDER --write
```
"""
