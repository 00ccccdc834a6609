from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from consumer.dev.bench.engine import busy
from consumer.dev.bench.engine.busy import busy_share, covered, longest
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.timing import Measurement


def kernel(name: str, start: float, end: float, device: str = "CUDA") -> SimpleNamespace:
    """An event of torch's profiler, in microseconds."""
    return SimpleNamespace(
        name=name, time_range=SimpleNamespace(start=start, end=end), device_type=SimpleNamespace(name=device)
    )


EVENTS = [kernel("flash", 0, 300_000), kernel("copy", 200_000, 400_000), kernel("flash", 900_000, 1_000_000)]


@pytest.mark.parametrize(
    ("spans", "total"),
    [
        ([], 0),
        ([(0, 2), (3, 4)], 3),
        ([(3, 4), (0, 2)], 3),
        ([(0, 4), (1, 2), (3, 6)], 6),
        ([(0, 1), (1, 2), (0, 1)], 2),
    ],
)
def test_time_that_kernels_share_counts_once(spans: list[tuple[float, float]], total: float) -> None:
    """Kernels of two streams run at once; gaps between kernels do not count."""
    assert covered(spans) == total


def test_the_kernels_that_took_longest_are_named() -> None:
    """By their time in all, with how often they ran and milliseconds."""
    assert longest(EVENTS) == (("flash", 2, 400.0), ("copy", 1, 200.0))


def test_the_share_is_of_the_whole_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of kernels in a turn of one second is half; what the host did is not the GPU's."""
    seen = SimpleNamespace(events=lambda: [*EVENTS, kernel("launch", 0, 1_000_000, "CPU")])
    monkeypatch.setattr(busy, "profile", lambda activities: nullcontext(seen))  # noqa: ARG005 - its name
    monkeypatch.setattr(busy, "measured", lambda _device, work: Measurement(1.0, 0, work()))
    found = busy_share(EngineSide.DENOISER, 8, torch.device("cpu"), list)
    assert found.share == pytest.approx(0.5)
    assert (found.side, found.batch, found.kernels) == (EngineSide.DENOISER, 8, 3)
