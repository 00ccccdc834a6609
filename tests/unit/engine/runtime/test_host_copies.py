from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from consumer.engine.runtime import host_copies
from consumer.engine.runtime.host_copies import HostCopies


def test_on_a_cpu_they_are_done_at_once() -> None:
    """What is in main memory already is there, in order."""
    copies = HostCopies([torch.arange(3), torch.ones(2, dtype=torch.bool)])
    assert copies.done
    numbers, flags = copies.wait()
    assert (numbers.tolist(), flags.tolist()) == ([0, 1, 2], [True, True])


def test_on_cuda_the_host_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies go to pinned memory without waiting; an event after the last one says when they are there."""
    log: list[str] = []
    event = SimpleNamespace(
        record=lambda stream: log.append(f"event on {stream}"),
        query=lambda: False,
        synchronize=lambda: log.append("waited"),
    )
    streams = SimpleNamespace(Event=lambda: event, current_stream=lambda device: f"the steps' on {device}")
    pinned = torch.zeros(2)

    def copy(_tensor: Any, *, non_blocking: bool) -> torch.Tensor:
        log.append(f"copy {non_blocking}")
        return pinned

    def empty(shape: Any, *, dtype: torch.dtype, pin_memory: bool) -> Any:
        log.append(f"{tuple(shape)} {dtype} pinned {pin_memory}")
        return SimpleNamespace(copy_=copy)

    monkeypatch.setattr(host_copies, "torch", SimpleNamespace(cuda=streams, empty=empty))
    there: Any = SimpleNamespace(device=SimpleNamespace(type="cuda"), shape=(2,), dtype=torch.float32)
    copies = HostCopies([there])
    assert not copies.done
    assert log[:2] == ["(2,) torch.float32 pinned True", "copy True"]
    assert log[2].startswith("event on the steps")
    assert np.array_equal(copies.wait()[0], pinned.numpy())
    assert log[3:] == ["waited"]
