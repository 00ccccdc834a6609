"""Results of `leadart bench engine` as tests write them down."""

from __future__ import annotations

from typing import Any

from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import BenchDevice, EngineResult, EngineTurn, Workload, WorkloadResult

GPU = BenchDevice("cuda", "bfloat16", 1, 1e13, full_size=True, kernels="fused")


def contest_of(
    seconds: dict[EngineSide, list[float]], name: str = "512x512x12x2.0", batch: int = 1, *, mixed: bool = False
) -> WorkloadResult:
    """Return a contest in which each side's turns took these seconds."""
    turns = [
        EngineTurn(side, number, time, 2**30) for side, times in seconds.items() for number, time in enumerate(times)
    ]
    return WorkloadResult(Workload(name, batch, batch, 10**12 * batch, mixed=mixed), tuple(turns))


def result_of(*contests: WorkloadResult, device: BenchDevice = GPU, **known: Any) -> EngineResult:
    """Return a finished run's result."""
    return EngineResult({}, device, 1, 2e-6, contests, **{"finished": True, **known})
