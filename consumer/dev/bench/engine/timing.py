"""Time and memory of a piece of work on a device, and the device's peak."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

_SIDES = {"cuda": 8192}
_SIDE_ELSEWHERE = 2048
_TRIES = 8
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Measurement(Generic[_Value]):
    """Seconds of a piece of work, peak memory in bytes while it ran (on a CPU, of the process), and its result."""

    seconds: float
    peak_bytes: int
    value: _Value


def measured(device: torch.device, work: Callable[[], _Value]) -> Measurement[_Value]:
    """Do the work and measure it until the device has finished."""
    synchronize(device)
    _forget_peak(device)
    begun = time.perf_counter()
    value = work()
    synchronize(device)
    return Measurement(time.perf_counter() - begun, _peak_bytes(device), value)


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the device's peak: operations per second of a large matrix product, best of a few."""
    side = _SIDES.get(device.type, _SIDE_ELSEWHERE)
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return max(2 * side**3 / measured(device, lambda: torch.mm(one, other)).seconds for _ in range(_TRIES))


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text(_FORGET_PEAK)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
