"""Simulated out-of-memory errors at chosen operations, and their effect on the pictures."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from consumer.engine.protocol import Painted
from consumer.engine.runtime.model import Model
from tests.support.denoising import SAME_FOCUS, DenoiserSession, apart, psnr
from tests.support.samples import recipe_of

RECIPES = (recipe_of(steps=3), recipe_of(width=96, steps=2, seed=8), recipe_of(guidance_scale=0.0, prompt="港口"))
ALIKE_DB = 30.0
"""Least PSNR of a picture after a shortage: a decode in tiles blends its seams."""

STAGES = {
    "embed": "noise, prompts",
    "begin": "noise, prompts",
    "velocities": "transformer",
    "advance": "scheduler",
    "decode": "decoder",
}
"""Functions of the engine that identify a stage; the first one found in the stack counts."""


class MemoryShortage(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Memory runs out at the operations in `short`, counted from 1 over the whole session."""

    def __init__(self, short: Callable[[int], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.operations = 0
        self.stage = ""
        self._short = short

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse the operation or run it."""
        self.operations += 1
        if self._short(self.operations):
            self.stage = _stage()
            raise torch.OutOfMemoryError("injected")
        return func(*args, **(kwargs or {}))


def _stage() -> str:
    names = {frame.name for frame in traceback.extract_stack(limit=60)}
    return next((what for name, what in STAGES.items() if name in names), "elsewhere")


def paint(
    model: Model, short: Callable[[int], bool] = lambda _operation: False
) -> tuple[DenoiserSession, MemoryShortage]:
    """Paint the recipes under the shortage; return the session and the operations that ran out."""
    session = DenoiserSession(model)
    session.take(*RECIPES)
    with MemoryShortage(short) as shortage:
        session.finish()
    return session, shortage


def harm(session: DenoiserSession, undisturbed: DenoiserSession) -> str:
    """Return a word for what a shortage did to the pictures: `none` if each arrived once, complete and unchanged."""
    if sorted(reply.number for reply in session.of(Painted)) != [0, 1, 2]:
        return "lost or doubled"
    if any(session.steps_of(number) != list(range(1, recipe.steps + 1)) for number, recipe in enumerate(RECIPES)):
        return "a step missing or repeated"
    if any(apart(found, undisturbed.focuses[number]) > SAME_FOCUS for number, found in session.focuses.items()):
        return "focus moved"
    worst = min(psnr(session.pictures[number], undisturbed.pictures[number]) for number in range(len(RECIPES)))
    return "none" if worst > ALIKE_DB else "changed"


def shortage_rows(model: Model, every: int) -> list[tuple[str, ...]]:
    """Make memory run out once at every `every`-th operation; return by stage how often, and the effect."""
    paint(model)  # the first session also fills the model's own tables
    undisturbed, shortage = paint(model)
    seen: Counter[tuple[str, str]] = Counter()
    for position in range(1, shortage.operations + 1, every):
        session, met = paint(model, lambda operation, at=position: operation == at)  # type: ignore[misc]
        seen[met.stage, harm(session, undisturbed)] += 1
    stages = sorted({stage for stage, _ in seen})
    return [
        (
            stage,
            str(sum(count for (at, _), count in seen.items() if at == stage)),
            str(seen[stage, "none"]),
            ", ".join(f"{count} {what}" for (at, what), count in seen.items() if at == stage and what != "none") or "0",
        )
        for stage in stages
    ]
