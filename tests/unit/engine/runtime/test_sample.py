from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from consumer.engine.runtime.focus import find_focus
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.sample import Flow, Sample
from consumer.jobs import Focus
from tests.support.denoising import begun
from tests.support.samples import recipe_of

STEPS = 8


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts operations by name; the one numbered `short`, from 1, runs out of memory."""

    def __init__(self, short: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.names: list[str] = []
        self._short = short

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operation; refuse it or run it."""
        self.names.append(func.__name__)
        if len(self.names) == self._short:
            raise torch.OutOfMemoryError
        return func(*args, **(kwargs or {}))


def flow(row: int, column: int) -> Flow:
    """Return a flow whose guidance acted at one place of 8x8."""
    difference = torch.zeros(16, 8, 8)
    difference[:, row, column] = -1.0
    return Flow(torch.ones(16, 8, 8), difference)


def focus_of(sample: Sample) -> Focus | None:
    """Return what is told of a picture."""
    return None if sample.acted is None else find_focus(sample.acted.numpy())


def sample_after(model: Model, done: int) -> Sample:
    """Return a picture that took steps whose guidance acted at row 2, column 5."""
    sample = begun(model, recipe_of(steps=STEPS))
    for _ in range(done):
        sample.advance(flow(2, 5))
    return sample


def test_only_middle_steps_tell_the_focus(tiny: Model) -> None:
    """Where guidance acted in the first and the last steps, when no place is decided, moves no focus."""
    sample = begun(tiny, recipe_of(steps=STEPS))
    for done in range(STEPS):
        sample.advance(flow(2, 5) if 0 < done < STEPS - 1 else flow(7, 0))
    focus = focus_of(sample)
    assert focus
    assert (focus.x, focus.y) == pytest.approx((5.5 / 8, 2.5 / 8))


def test_without_guidance_there_is_no_focus(tiny: Model) -> None:
    """A picture whose steps know no negative prompt has none."""
    sample = begun(tiny, recipe_of(steps=1, guidance_scale=0.0))
    sample.advance(Flow(torch.ones(16, 8, 8)))
    assert focus_of(sample) is None


def test_no_step_waits_for_its_focus(tiny: Model) -> None:
    """A step that counts reads nothing back from the device: only `focus` does."""
    sample = sample_after(tiny, STEPS // 2)
    with Operations() as seen:
        sample.advance(flow(2, 5))
    assert "abs.default" in seen.names
    assert not {"_local_scalar_dense.default", "_to_copy.default", "nonzero.default", "equal.default"} & {*seen.names}


def test_a_step_that_fails_anywhere_changes_nothing(tiny: Model) -> None:
    """Whichever operation of a step runs out of memory, the step can be repeated with the same result."""
    with Operations() as usual:
        undisturbed = sample_after(tiny, STEPS // 2)
        before = len(usual.names)
        undisturbed.advance(flow(1, 1))
    for short in range(1, len(usual.names) - before + 1):
        sample = sample_after(tiny, STEPS // 2)
        steps = flow(1, 1)
        try:
            with Operations(short):
                sample.advance(steps)
        except torch.OutOfMemoryError:
            sample.advance(steps)
        assert sample.done == STEPS // 2 + 1
        assert torch.equal(sample.latents, undisturbed.latents)
        assert focus_of(sample) == focus_of(undisturbed)
