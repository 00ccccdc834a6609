"""When an editor's picture begins, on a virtual GPU: a clock, launches that run one after the other, and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from consumer.engine.protocol import Paint, Reply
from consumer.engine.runtime import main
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.step_reports import StepReports
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from tests.support.samples import recipe_of

LAUNCH_SECONDS = 0.02
EDITOR = 99
WAITING = 8
STEPS = 12
ALONE = 0.25
"""Share of a full step that a picture's own step takes."""


@dataclass
class VirtualGpu:
    """A device that runs steps of `step` seconds; `launches` has each one's pictures, its launch and its begin."""

    step: float
    now: float = 0.0
    free_at: float = 0.0
    launches: list[tuple[int, float, float]] = field(default_factory=list)

    def launch(self, pictures: int) -> None:
        """Queue a step behind those launched before."""
        launched, self.now = self.now, self.now + LAUNCH_SECONDS
        begun = max(self.now, self.free_at)
        self.free_at = begun + self.step * (1 if pictures == WAITING else ALONE)
        self.launches.append((pictures, launched, begun))

    def event(self) -> Any:
        """Return an event of the last launch: waiting for it moves the clock."""
        at = self.free_at
        return SimpleNamespace(
            record=lambda _stream: None, synchronize=lambda: self._wait(at), query=lambda: self.now >= at
        )

    def _wait(self, until: float) -> None:
        self.now = max(self.now, until)


@dataclass
class Inbox:
    """Commands by the time at which they arrive."""

    gpu: VirtualGpu
    arrivals: list[tuple[float, Paint]]

    def get(self, timeout: float) -> Paint:
        """Wait for the next command."""
        self.gpu.now = max(self.gpu.now, min(self.gpu.now + timeout, self.arrivals[0][0]))
        return self.get_nowait()

    def get_nowait(self) -> Paint:
        """Return the next command that has arrived."""
        if not self.arrivals or self.arrivals[0][0] > self.gpu.now:
            raise Empty
        return self.arrivals.pop(0)[1]


def paint(model: Model, patch: pytest.MonkeyPatch, step: float, arrival: float) -> VirtualGpu:
    """Paint a full batch of others, into which an editor's picture arrives; return what the device did."""
    gpu = VirtualGpu(step)
    flows = model.forward.flows

    def launching(latents: list[torch.Tensor], *arguments: Any) -> Any:
        gpu.launch(len(latents))
        return flows(latents, *arguments)

    patch.setattr(model.forward, "flows", launching)
    patch.setattr(model, "token_seconds", step / (WAITING * 64))
    denoiser = Denoiser(model, EngineSettings(step_seconds=60), lambda _reply: None)
    replies: list[Reply] = []
    denoiser._reports = StepReports(torch.device("cuda"), replies.append)
    denoiser._reports._streams = SimpleNamespace(Event=gpu.event, current_stream=lambda _device: None)
    others = [
        (0.0, Paint(number, recipe_of(guidance_scale=0.0, seed=number, steps=STEPS), Lane.BACKFILL))
        for number in range(WAITING)
    ]
    editors = Paint(EDITOR, recipe_of(guidance_scale=0.0, steps=2), Lane.INTERACTIVE)
    inbox: Any = Inbox(gpu, [*others, (arrival, editors)])
    while denoiser.busy or inbox.arrivals:
        main._turn(denoiser, inbox, replies.append, 1.0)
    return gpu


@pytest.mark.parametrize("arrival", [0.3, 0.55, 1.0, 1.49])
def test_an_editors_picture_is_in_the_next_step_launched(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, arrival: float
) -> None:
    """Whenever it arrives during a step of half a second, it begins when that step ends."""
    gpu = paint(tiny, monkeypatch, 0.5, arrival)
    (launched, begun) = next((launched, begun) for pictures, launched, begun in gpu.launches if pictures == 1)
    assert [pictures for pictures, at, _ in gpu.launches if arrival <= at <= launched] == [1]
    assert begun - arrival <= 0.5 + 2 * LAUNCH_SECONDS


def test_short_steps_leave_the_device_no_gap(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that lasts little longer than its launch runs on as soon as the one before ends."""
    gpu = paint(tiny, monkeypatch, 0.04, 10.0)
    ends = [begun + 0.04 for pictures, _, begun in gpu.launches if pictures == WAITING]
    begins = [begun for pictures, _, begun in gpu.launches if pictures == WAITING]
    assert len(begins) == STEPS
    assert begins[1:] == pytest.approx(ends[:-1])


@pytest.mark.parametrize("arrival", [0.1, 0.13, 0.2])
def test_with_short_steps_it_waits_for_two_at_most(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, arrival: float
) -> None:
    """The step that runs and the one launched ahead of it: together less than two tenths of a second."""
    gpu = paint(tiny, monkeypatch, 0.04, arrival)
    begun = next(begun for pictures, _, begun in gpu.launches if pictures == 1)
    assert begun - arrival <= 2 * 0.04 + 2 * LAUNCH_SECONDS
