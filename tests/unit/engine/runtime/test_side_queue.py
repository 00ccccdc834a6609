from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from consumer.engine.runtime.side_queue import SideQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_later_work_waits_for_what_ran_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA the block's work is launched on a stream of its own, and the stream of the steps then waits for it."""
    log: list[tuple[str, Any]] = []

    @contextmanager
    def stream(own: str) -> Iterator[None]:
        log.append(("launch on", own))
        yield
        log.append(("back from", own))

    steps = SimpleNamespace(wait_stream=lambda own: log.append(("wait for", own)))
    streams = SimpleNamespace(Stream=lambda: "own", stream=stream, current_stream=lambda: steps)
    monkeypatch.setattr(torch, "cuda", streams)
    with SideQueue(torch.device("cuda")).beside():
        log.append(("work", None))
    assert log == [("launch on", "own"), ("work", None), ("back from", "own"), ("wait for", "own")]


def test_memory_of_what_was_made_beside_stays_while_steps_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tensors on a GPU are handed over, to the stream of the steps."""
    kept: list[Any] = []
    on_gpu: Any = SimpleNamespace(is_cuda=True, device="cuda:0", record_stream=kept.append)
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(Stream=object, current_stream=lambda device: f"steps {device}"))
    SideQueue(torch.device("cuda")).hand_over([on_gpu, torch.ones(2)])
    assert kept == ["steps cuda:0"]


def test_elsewhere_work_is_done_at_once() -> None:
    """On a CPU the same calls change nothing."""
    queue = SideQueue(torch.device("cpu"))
    with queue.beside():
        made = torch.ones(2)
    queue.hand_over([made])
    assert made.sum() == 2
