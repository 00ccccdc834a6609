"""What went wrong in a stretch of the engine's work, told without holding on to it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from consumer.engine.protocol import Failed
from consumer.engine.runtime.decoder import NotFinite
from consumer.engine.runtime.memory import is_out_of_memory
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

_TOO_LARGE = (
    "The picture does not fit into the memory of the engine's device, however it is painted: ask for fewer pixels."
)
_NOT_FINITE = "The picture came out as values that are no numbers; another seed or more steps may not."


@dataclass(frozen=True, slots=True)
class StepFailure:
    """An error's name and kind. Not the error: its traceback would keep every tensor of the failed call in memory."""

    name: str
    out_of_memory: bool
    not_finite: bool

    def failure(self, number: int) -> Failed:
        """Return what is said of the picture that it was the end of."""
        if self.out_of_memory:
            return Failed(number, Reason.TOO_LARGE, _TOO_LARGE, transient=False, field="output")
        if self.not_finite:
            return Failed(number, Reason.NOT_FINITE, _NOT_FINITE, transient=False)
        message = f"Painting failed with {self.name}; the worker's log has the details."
        return Failed(number, Reason.ENGINE_FAILED, message, transient=True)


def attempt(deed: Callable[[], None]) -> StepFailure | None:
    """Do it; return what went wrong, None if nothing did. By then nothing of the failed call is alive any more.

    Raises torch.AcceleratorError, after which nothing in this process can succeed.
    """
    try:
        deed()
    except Exception as error:
        out_of_memory, not_finite = is_out_of_memory(error), isinstance(error, NotFinite)
        if isinstance(error, torch.AcceleratorError) and not out_of_memory:
            raise
        if not (out_of_memory or not_finite):
            traceback.print_exc()
        return StepFailure(type(error).__name__, out_of_memory, not_finite)
    return None
