"""Time and memory of a piece of work on a device, and the device's peak."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

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


class DeviceClock:
    """Says when the device came to certain points of its work, in seconds of `time.perf_counter`.

    On a GPU the host may be a step ahead, so that when a call returns says little about when its work was done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        synchronize(device)
        self._begun = time.perf_counter()
        self._origin = self._now()
        self._marks: list[Any] = []

    def mark(self) -> None:
        """Note the point that the device reaches once it has done what was launched so far; does not wait for it."""
        self._marks.append(self._now())

    def times(self) -> list[float]:
        """Wait for the device, and return when it came to each mark."""
        synchronize(self._device)
        return [self._begun + self._origin.elapsed_time(mark) / 1e3 for mark in self._marks]

    def _now(self) -> Any:
        if self._device.type != "cuda":
            return _HostEvent(time.perf_counter())
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        event.record(torch.cuda.current_stream(self._device))
        return event


@dataclass(frozen=True, slots=True)
class _HostEvent:
    """Stands for an event of a device that has done its work when a call returns."""

    at: float

    def elapsed_time(self, later: "_HostEvent") -> float:
        return 1e3 * (later.at - self.at)


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
