from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from consumer.engine.protocol import StepDone
from consumer.engine.runtime.step_reports import LONG_STEP_SECONDS, StepReports

FIRST, SECOND = StepDone(1, 1, 2), StepDone(1, 2, 2)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The states of a fake GPU's events, in the order in which they were made."""
    states: list[str] = []

    class Event:
        def __init__(self) -> None:
            self.number = len(states)
            states.append("made")

        def record(self, _stream: object) -> None:
            states[self.number] = "recorded"

        def synchronize(self) -> None:
            states[self.number] = "done"

        def query(self) -> bool:
            return states[self.number] == "done"

    monkeypatch.setattr(torch, "cuda", SimpleNamespace(Event=Event, current_stream=lambda _device: None))
    return states


def test_steps_are_reported_one_step_behind(events: list[str]) -> None:
    """On a GPU a short step is reported once the device has done it, while the next one is already launched."""
    reported: list[Any] = []
    reports = StepReports(torch.device("cuda"), reported.append)
    reports.launched([FIRST], LONG_STEP_SECONDS / 2)
    assert (reported, events) == ([], ["recorded"])
    reports.launched([SECOND], LONG_STEP_SECONDS / 2)
    assert (reported, events) == ([FIRST], ["done", "recorded"])
    reports.flush()
    assert (reported, events) == ([FIRST, SECOND], ["done", "done"])


def test_what_is_done_meanwhile_is_reported_without_waiting(events: list[str]) -> None:
    """A step of which the device is known to be done is told at once, and only once; nothing is waited for."""
    reported: list[Any] = []
    reports = StepReports(torch.device("cuda"), reported.append)
    reports.launched([FIRST], LONG_STEP_SECONDS / 2)
    reports.report_done()
    assert (reported, events) == ([], ["recorded"])
    events[0] = "done"
    reports.report_done()
    reports.report_done()
    assert reported == [FIRST]


@pytest.mark.parametrize("seconds", [0.0, LONG_STEP_SECONDS, 2.0])
def test_a_long_step_is_waited_for(events: list[str], seconds: float) -> None:
    """On a GPU a long step, or one of unknown length, is done and reported before anything else is read or launched."""
    reported: list[Any] = []
    StepReports(torch.device("cuda"), reported.append).launched([FIRST], seconds)
    assert (reported, events) == ([FIRST], ["done"])


def test_on_a_cpu_a_step_is_done_at_once() -> None:
    """Where a call returns when it is done, its step is reported then."""
    reported: list[Any] = []
    StepReports(torch.device("cpu"), reported.append).launched([FIRST], LONG_STEP_SECONDS / 2)
    assert reported == [FIRST]
