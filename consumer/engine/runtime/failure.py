"""A failed step as plain data, so that its traceback and tensors can be freed."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch

from consumer.engine import protocol
from consumer.engine.runtime.memory import is_out_of_memory
from schemas import Reason

_TOO_LARGE = (
    "The picture does not fit into the memory of the engine's device, however it is painted: ask for fewer pixels."
)
_NOT_FINITE = "The picture came out as NaN or infinity; another seed or more steps may help."


@dataclass(frozen=True, slots=True)
class StepFailure:
    """An error's name and kind. Not the error: its traceback would keep every tensor of the failed call in memory."""

    name: str
    out_of_memory: bool

    def as_reply(self, number: int) -> protocol.Failed:
        """Return the reply for a picture that fails for this."""
        if self.out_of_memory:
            return protocol.Failed(number, Reason.TOO_LARGE, _TOO_LARGE, transient=False, field="output")
        message = f"Painting failed with {self.name}; the worker's log has the details."
        return protocol.Failed(number, Reason.ENGINE_FAILED, message, transient=True)


def not_finite(number: int) -> protocol.Failed:
    """Return the reply for a picture whose latents or pixels hold NaN or infinity."""
    return protocol.Failed(number, Reason.NOT_FINITE, _NOT_FINITE, transient=False)


def attempt(action: Callable[[], None]) -> StepFailure | None:
    """Run the action; return its failure, None on success. By then nothing of the failed call is alive any more.

    Raises torch.AcceleratorError, after which nothing in this process can succeed.
    """
    try:
        action()
    except Exception as error:
        out_of_memory = is_out_of_memory(error)
        if isinstance(error, torch.AcceleratorError) and not out_of_memory:
            raise
        if not out_of_memory:
            traceback.print_exc()
        return StepFailure(type(error).__name__, out_of_memory)
    return None
