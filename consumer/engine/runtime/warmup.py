"""Warm-up before the first picture: paint once and measure what a token costs."""

import itertools
import time
from pathlib import Path

import torch

from consumer.engine import protocol
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.failure import attempt
from consumer.engine.runtime.geometry import padded
from consumer.engine.runtime.model import Model
from consumer.engine.weights import unavailable
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

_SIDES = {"cuda": 512}
_SIDE_ELSEWHERE = 256
_REPEATS = 4
_PICTURES = 4
_PROMPT_TOKENS = 32


def warm_up(model: Model, settings: EngineSettings, folder: Path) -> None:
    """Paint at the device's usual size, two different pictures together and one alone, and set `model.token_seconds`.

    A picture that does not fit is no error, as others may fit. Raises Fatal when the model cannot paint at all.
    """
    replies: list[protocol.Reply] = []
    numbers = itertools.count()
    denoiser = Denoiser(model, settings, replies.append)
    for together in (((_side(model), 2.0), (_side(model) // 2, 0.0)), ((_side(model), 0.0),)):
        for side, scale in together:
            denoiser.take(protocol.Paint(next(numbers), _recipe(side, scale), Lane.BACKFILL))
        while denoiser.busy:
            denoiser.work()
    for reply in replies:
        if isinstance(reply, protocol.Failed) and reply.reason is not Reason.TOO_LARGE:
            raise unavailable(folder, f"cannot paint: {reply.message}")
    model.token_seconds = measure_token_seconds(model)


@torch.no_grad()
def measure_token_seconds(model: Model) -> float:
    """Return the seconds that a token costs in a call of several pictures, the best of a few; 0 if the call fails."""
    rows = _side(model) // (model.geometry.pixels * model.geometry.patch)
    embedding = torch.zeros(
        _PROMPT_TOKENS, model.transformer.config.cap_feat_dim, dtype=model.dtype, device=model.device
    )
    side = rows * model.geometry.patch
    latents = torch.zeros(model.channels, side, side, dtype=model.dtype, device=model.device)
    times = torch.zeros(_PICTURES, device=model.device)
    seconds: list[float] = []

    def measure() -> None:
        model.activate_transformer(())
        conditioning = model.forward.condition(embedding, rows, rows)
        for _ in range(_REPEATS + 1):
            begun = time.perf_counter()
            model.forward.flows([latents] * _PICTURES, times, [conditioning] * _PICTURES)
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            seconds.append(time.perf_counter() - begun)

    if attempt(measure):
        return 0.0
    return min(seconds) / (_PICTURES * (padded(rows**2) + padded(_PROMPT_TOKENS)))


def _side(model: Model) -> int:
    return _SIDES.get(model.device.type, _SIDE_ELSEWHERE)


def _recipe(side: int, scale: float) -> Recipe:
    model = ModelIdentity("warm-up", "0" * 64)
    return Recipe("A quiet harbour at dawn.", "text", model, (), side, side, 2, scale, 1, "default", 1)
