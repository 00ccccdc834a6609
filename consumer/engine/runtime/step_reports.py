"""Steps are told when the device has done them, not when they were launched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.engine.protocol import Reply, StepDone


class StepReports:
    """Lets the host run one step ahead of a GPU and no further: a hang is then noticed within two steps.

    On a CPU a step is done when its call returns.
    """

    def __init__(self, device: torch.device, say: Callable[[Reply], None]) -> None:
        self._device = device
        self._say = say
        self._launched: list[tuple[Any, Sequence[StepDone]]] = []

    def launched(self, steps: Sequence[StepDone]) -> None:
        """Take note of steps that were launched; tell the ones before them, waiting for those.

        Raises torch.AcceleratorError when the device is lost.
        """
        event = None
        if self._device.type == "cuda":
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            event.record(torch.cuda.current_stream(self._device))
        before, self._launched = self._launched, [(event, steps)]
        self._tell(before)
        if event is None:
            self.flush()

    def flush(self) -> None:
        """Wait for everything launched and tell it."""
        before, self._launched = self._launched, []
        self._tell(before)

    def _tell(self, launched: Sequence[tuple[Any, Sequence[StepDone]]]) -> None:
        for event, steps in launched:
            if event is not None:
                event.synchronize()
            for step in steps:
                self._say(step)
