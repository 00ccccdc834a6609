"""The share of a turn's time in which the GPU runs a kernel."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import BusyResult
from consumer.dev.bench.engine.timing import measured

_ON_GPU = "CUDA"
_LONGEST = 12
_NAME = 80


def busy_share(side: EngineSide, batch: int, device: torch.device, paint: Callable[[], object]) -> BusyResult:
    """Paint under torch's profiler, which sees every kernel of the GPU, and return how busy that was."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        taken = measured(device, paint)
    kernels = [event for event in seen.events() or () if event.device_type.name == _ON_GPU]
    spans = [(event.time_range.start, event.time_range.end) for event in kernels]
    return BusyResult(side, batch, covered(spans) / 1e6 / taken.seconds, len(kernels), longest(kernels))


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long at least one of these spans lasts, each from its start to its end."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def longest(kernels: Iterable[Any]) -> tuple[tuple[str, int, float], ...]:
    """Return the kernels that took longest in all: name, how often it ran, milliseconds."""
    runs: Counter[str] = Counter()
    microseconds: Counter[str] = Counter()
    for kernel in kernels:
        runs[kernel.name] += 1
        microseconds[kernel.name] += kernel.time_range.end - kernel.time_range.start
    return tuple((name[:_NAME], runs[name], time / 1e3) for name, time in microseconds.most_common(_LONGEST))
