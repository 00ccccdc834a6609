"""Warm-up before the first picture: paint once and measure the fixed cost of a call."""

import time
from pathlib import Path

import torch

from consumer.engine import protocol
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.failure import attempt
from consumer.engine.runtime.geometry import padded
from consumer.engine.runtime.model import CALL_TOKENS, Model
from consumer.engine.weights import unavailable
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

MAX_CALL_TOKENS = 2048
_SIDES = {"cuda": 512}
_SIDE_ELSEWHERE = 256
_REPEATS = 4
_LONG_CALL_PICTURES = 4
_PROMPT_TOKENS = 32


def warm_up(model: Model, settings: EngineSettings, folder: Path) -> None:
    """Paint two different pictures, one with guidance, at the device's usual size, and set `model.call_tokens`.

    A picture that does not fit is no error, as others may fit. Raises Fatal when the model cannot paint at all.
    """
    model.call_tokens = MAX_CALL_TOKENS  # both pictures in one call, which warms up padding and masks too
    replies: list[protocol.Reply] = []
    denoiser = Denoiser(model, settings, replies.append)
    for number, (side, scale) in enumerate(((_side(model), 2.0), (_side(model) // 2, 0.0))):
        denoiser.take(protocol.Paint(number, _recipe(side, scale), Lane.BACKFILL))
    while denoiser.busy:
        denoiser.work()
    for reply in replies:
        if isinstance(reply, protocol.Failed) and reply.reason is not Reason.TOO_LARGE:
            raise unavailable(folder, f"cannot paint: {reply.message}")
    model.call_tokens = measure_call_tokens(model)


@torch.no_grad()
def measure_call_tokens(model: Model) -> int:
    """Return the fixed cost of a call of the transformer, in tokens, 0 to `MAX_CALL_TOKENS`.

    The times of a short and of a long call define a line; its intercept is the fixed cost. The long call has several
    pictures: one alone does not saturate a device, so its tokens would seem almost free. If the long call fails, the
    result is `CALL_TOKENS`.
    """
    short, long = (model.geometry.tokens(side, side)[0] for side in (_side(model) // 8, _side(model)))
    few, many = _PROMPT_TOKENS + padded(short**2), _LONG_CALL_PICTURES * (_PROMPT_TOKENS + padded(long**2))
    seconds: list[float] = []

    def measure() -> None:
        model.activate_transformer(())
        seconds.extend((_seconds(model, short, 1), _seconds(model, long, _LONG_CALL_PICTURES)))

    if attempt(measure):
        return CALL_TOKENS
    brief, lasting = seconds
    per_token = (lasting - brief) / (many - few)
    if per_token <= 0:
        return MAX_CALL_TOKENS
    return min(MAX_CALL_TOKENS, max(0, round(brief / per_token - few)))


def _seconds(model: Model, side: int, pictures: int) -> float:
    """Return the seconds of a call for n pictures of side x side tokens, the best of a few calls."""
    rows = side * model.geometry.patch
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
    model = ModelIdentity("warm-up", "0" * 64)
    return Recipe("A quiet harbour at dawn.", "text", model, (), side, side, 2, scale, 1, "default", 1)
