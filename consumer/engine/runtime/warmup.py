"""Before the first picture: measure what a call costs, and paint once, so that nothing is slow or broken later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from consumer.engine.protocol import Failed, Paint
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.failure import attempt
from consumer.engine.runtime.model import CALL_TOKENS
from consumer.engine.runtime.sample import padded
from consumer.engine.weights import unavailable
from consumer.jobs import Lane, ModelIdentity, Recipe
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.engine.protocol import Reply
    from consumer.engine.runtime.model import Model
    from consumer.settings import EngineSettings

MAX_CALL_TOKENS = 2048
_SIDES = {"cuda": 512}
_SIDE_ELSEWHERE = 256
_REPEATS = 4
_LONG_CALL_PICTURES = 4
_PROMPT_TOKENS = 32


def warm_up(model: Model, settings: EngineSettings, folder: Path) -> None:
    """Set `model.measure_call_tokens` and paint two unlike pictures, one with guidance, at the device's usual size.

    One that does not fit is no error: others may. Raises Fatal when the model cannot paint at all.
    """
    model.call_tokens = MAX_CALL_TOKENS  # both in one call, so that padding and masks are warm too
    said: list[Reply] = []
    denoiser = Denoiser(model, settings, said.append)
    for number, (side, scale) in enumerate(((_side(model), 2.0), (_side(model) // 2, 0.0))):
        denoiser.take(Paint(number, _recipe(side, scale), Lane.BACKFILL))
    while denoiser.busy:
        denoiser.work()
    for reply in said:
        if isinstance(reply, Failed) and reply.reason is not Reason.TOO_LARGE:
            raise unavailable(folder, f"cannot paint: {reply.message}")
    model.call_tokens = measure_call_tokens(model)


@torch.no_grad()
def measure_call_tokens(model: Model) -> int:
    """Return what a call of the transformer costs before its first token, in tokens, 0 to `MAX_CALL_TOKENS`.

    The time of a short and of a long call gives a line; where it meets no tokens at all lies the price of the call.
    The long one has company: one picture alone fills no device, and its tokens would seem to cost next to nothing.
    Where the long one fails, `CALL_TOKENS` is the guess.
    """
    short, long = (model.canvas.tokens(side, side)[0] for side in (_side(model) // 8, _side(model)))
    few, many = _PROMPT_TOKENS + padded(short**2), _LONG_CALL_PICTURES * (_PROMPT_TOKENS + padded(long**2))
    taken: list[float] = []

    def measure() -> None:
        model.turn_to_transformer(())
        taken.extend((_seconds(model, short, 1), _seconds(model, long, _LONG_CALL_PICTURES)))

    if attempt(measure):
        return CALL_TOKENS
    brief, lasting = taken
    per_token = (lasting - brief) / (many - few)
    if per_token <= 0:
        return MAX_CALL_TOKENS
    return min(MAX_CALL_TOKENS, max(0, round(brief / per_token - few)))


def _seconds(model: Model, side: int, pictures: int) -> float:
    """Return the seconds of a call for so many pictures of side x side tokens, the best of a few."""
    rows = side * model.canvas.patch
    dtype = model.transformer.dtype
    latents = torch.zeros(model.channels, 1, rows, rows, dtype=dtype, device=model.device)
    times = torch.zeros(pictures, dtype=dtype, device=model.device)
    embedding = torch.zeros(_PROMPT_TOKENS, model.transformer.config.cap_feat_dim, dtype=dtype, device=model.device)
    best = float("inf")
    for _ in range(_REPEATS + 1):
        begun = time.perf_counter()
        model.transformer([latents] * pictures, times, [embedding] * pictures, return_dict=False)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        best = min(best, time.perf_counter() - begun)
    return best


def _side(model: Model) -> int:
    return _SIDES.get(model.device.type, _SIDE_ELSEWHERE)


def _recipe(side: int, scale: float) -> Recipe:
    nobody = ModelIdentity("warm-up", "0" * 64)
    return Recipe("A quiet harbour at dawn.", "text", nobody, (), side, side, 2, scale, 1, "default", 1)
