"""Progress of steps, reported when the device has done them rather than when they were launched."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from consumer.engine import protocol


class StepReports:
    """Lets the host run one step ahead of a GPU and no further, so that a hang is noticed within two steps.

    On a CPU a step is done when its call returns.
    """

    def __init__(self, device: torch.device, send: Callable[[protocol.Reply], None]) -> None:
        self._device = device
        self._send = send
        self._launched: list[tuple[Any, Sequence[protocol.StepDone]]] = []

    def launched(self, steps: Sequence[protocol.StepDone]) -> None:
        """Record steps that were launched; wait for the previous ones and report those.

        Raises torch.AcceleratorError when the device is lost.
        """
        event = None
        if self._device.type == "cuda":
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            event.record(torch.cuda.current_stream(self._device))
        previous, self._launched = self._launched, [(event, steps)]
        self._report(previous)
        if event is None:
            self.flush()

    def flush(self) -> None:
        """Wait for everything launched and report it."""
        previous, self._launched = self._launched, []
        self._report(previous)

    def _report(self, launched: Sequence[tuple[Any, Sequence[protocol.StepDone]]]) -> None:
        for event, steps in launched:
            if event is not None:
                event.synchronize()
            for step in steps:
                self._send(step)
