"""The sides: the stock pipeline as its users call it, and the denoiser, eager and compiled."""

import time
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import torch

from consumer.dev.bench.engine.corpus import BenchRequest, pictures
from consumer.dev.bench.engine.plan import EngineSide
from consumer.engine.protocol import Failed, Paint, Painted, Reply
from consumer.engine.runtime.compiling import compile_kernels
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.warmup import measure_token_seconds
from consumer.errors import Fatal
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from schemas import Reason

Painter = Callable[[Sequence[BenchRequest]], None]


def one_by_one(pipeline: Any) -> Painter:
    """Return the loop one first writes: one call of the pipeline per request, for all its variants."""

    def paint(requests: Sequence[BenchRequest]) -> None:
        for request in requests:
            _call(pipeline, request.variants[0].prompt, request, len(request.variants))

    return paint


def as_batch(pipeline: Any) -> Painter:
    """Return one call for all requests, which must have one shape, one picture and one negative prompt."""

    def paint(requests: Sequence[BenchRequest]) -> None:
        together = type(requests[0])(tuple(pictures(requests)))
        _call(pipeline, [recipe.prompt for recipe in together.variants], together, 1)

    return paint


def by_denoiser(model: Model, settings: EngineSettings) -> Painter:
    """Return the denoiser, given all requests at once; no turn remembers an earlier one's prompts. Raises Fatal."""

    def paint(requests: Sequence[BenchRequest]) -> None:
        replies: list[Reply] = []
        denoiser = Denoiser(model, settings, replies.append)
        wanted = pictures(requests)
        for number, recipe in enumerate(wanted):
            denoiser.take(Paint(number, recipe, Lane.LIVE))
        while denoiser.busy:
            denoiser.work()
        failure = next((reply.message for reply in replies if isinstance(reply, Failed)), None)
        if failure or sum(isinstance(reply, Painted) for reply in replies) != len(wanted):
            raise Fatal(Reason.NOT_PAINTED, f"The denoiser did not paint a picture of the benchmark: {failure}")

    return paint


def compiled(model: Model) -> Model:
    """Return a model that shares every weight with this one and whose arithmetic between products is compiled.

    As in the engine it is compiled once for all layers and sizes. `TORCHINDUCTOR_CACHE_DIR` keeps it. Raises Fatal for
    a model that is painted with by the forward pass of diffusers.
    """
    if not isinstance(model.forward, PackedForward):
        raise Fatal(Reason.MISCONFIGURED, "--compile needs LEADART_ENGINE__FORWARD=packed: leave one of them out.")
    faster = copy(model)
    faster.forward = model.forward.with_kernels(compile_kernels(PLAIN, model.device))
    return faster


def prepare_painters(model: Model, settings: EngineSettings) -> tuple[dict[EngineSide, Painter], float | None]:
    """Return all sides, and the seconds until the compiled denoiser's first calls were done (None without one).

    This measures the cost of a token in each model, as the engine does at its start.
    """
    model.token_seconds = measure_token_seconds(model)
    painters = {
        EngineSide.ONE_BY_ONE: one_by_one(model.pipeline),
        EngineSide.AS_BATCH: as_batch(model.pipeline),
        EngineSide.DENOISER: by_denoiser(model, settings),
    }
    if not settings.compile:
        return painters, None
    begun = time.perf_counter()
    faster = compiled(model)
    faster.token_seconds = measure_token_seconds(faster)
    seconds = time.perf_counter() - begun
    return {**painters, EngineSide.COMPILED: by_denoiser(faster, settings)}, seconds


def _call(pipeline: Any, prompt: str | list[str], request: BenchRequest, each: int) -> None:
    recipe = request.variants[0]
    pipeline(
        prompt=prompt,
        negative_prompt=recipe.negative_prompt if isinstance(prompt, str) else [recipe.negative_prompt] * len(prompt),
        width=recipe.width,
        height=recipe.height,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance_scale,
        num_images_per_prompt=each,
        generator=[torch.Generator("cpu").manual_seed(variant.seed) for variant in request.variants],
    )
