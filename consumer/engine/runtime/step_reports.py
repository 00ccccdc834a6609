"""Progress of steps, reported when the device has done them rather than when they were launched."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from consumer.engine import protocol

LONG_STEP_SECONDS: Final = 0.1
"""A step of at least this duration is waited for: launching the next one takes a few milliseconds, and what arrives
meanwhile would wait for two steps instead of one."""


class StepReports:
    """Lets the host run one short step ahead of a GPU, so that it never waits for the next one, and no long step.

    Either way a hang is noticed within two steps. On other devices a step is done when its call returns.
    """

    def __init__(self, device: torch.device, send: Callable[[protocol.Reply], None]) -> None:
        self._device = device
        self._send = send
        self._runs_ahead = device.type == "cuda"
        self._streams: Any = torch.cuda if device.type == "cuda" else torch.cpu  # whose events do nothing
        self._launched: list[tuple[Any, Sequence[protocol.StepDone]]] = []

    def launched(self, steps: Sequence[protocol.StepDone], seconds: float) -> None:
        """Record a launched step that takes about `seconds`, 0 if unknown; wait for the one before and report that.

        A long one is waited for too. Raises torch.AcceleratorError when the device is lost.
        """
        event = self._streams.Event()
        event.record(self._streams.current_stream(self._device))
        previous, self._launched = self._launched, [(event, steps)]
        self._report(previous)
        if not (self._runs_ahead and 0 < seconds < LONG_STEP_SECONDS):
            self.flush()

    def report_done(self) -> None:
        """Report the launched steps that are done, without waiting."""
        done = [entry for entry in self._launched if entry[0].query()]
        self._launched = self._launched[len(done) :]
        self._report(done)

    def flush(self) -> None:
        """Wait for everything launched and report it."""
        previous, self._launched = self._launched, []
        self._report(previous)

    def _report(self, launched: Sequence[tuple[Any, Sequence[protocol.StepDone]]]) -> None:
        for event, steps in launched:
            event.synchronize()
            for step in steps:
                self._send(step)
