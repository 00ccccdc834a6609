"""When a device did what was launched."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch

from consumer.dev.bench.engine.timing import DeviceClock


class FakeEvent:
    """An event of a GPU that does everything two seconds after it was launched, by a clock of milliseconds."""

    launched = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self, _stream: object) -> None:
        self.at = FakeEvent.launched
        FakeEvent.launched += 2000.0

    def elapsed_time(self, later: FakeEvent) -> float:
        return later.at - self.at


def test_on_a_gpu_marks_are_passed_when_the_device_comes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both marks are made at once; the device passes them two and four seconds later."""
    streams = SimpleNamespace(Event=FakeEvent, current_stream=lambda _device: None, synchronize=lambda _device: None)
    monkeypatch.setattr(torch, "cuda", streams)
    clock = DeviceClock(torch.device("cuda"))
    begun = time.perf_counter()
    clock.mark()
    clock.mark()
    assert clock.times() == pytest.approx([begun + 2, begun + 4], abs=1)


def test_on_a_cpu_work_is_done_when_its_call_returns() -> None:
    """A mark is passed when it is made."""
    clock = DeviceClock(torch.device("cpu"))
    before = time.perf_counter()
    clock.mark()
    assert before - 0.001 <= clock.times()[0] <= time.perf_counter()
