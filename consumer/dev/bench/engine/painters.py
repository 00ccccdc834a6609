"""The sides: the stock pipeline as its users call it, eager and compiled, and the denoiser, eager and compiled."""

import math
import os
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from consumer.dev.bench.engine.corpus import BenchRequest, pictures
from consumer.engine.protocol import Failed, Paint, Painted, Reply
from consumer.engine.runtime.compiling import compile_decode_pass, compile_kernels, require_compiler
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from schemas import Reason

Pixels = NDArray[np.uint8]
Painter = Callable[[Sequence[BenchRequest]], Sequence[Any]]
"""Paints all requests; returns the pictures in their order, as `pixels` reads them."""


def one_by_one(pipeline: Any, **options: Any) -> Painter:
    """Return the loop one first writes: one call of the pipeline per request, for all its variants."""

    def paint(requests: Sequence[BenchRequest]) -> Sequence[Any]:
        return [
            picture
            for request in requests
            for picture in call_pipeline(
                pipeline, request.variants[0].prompt, request, len(request.variants), **options
            )
        ]

    return paint


def as_batch(pipeline: Any, **options: Any) -> Painter:
    """Return one call for all requests, which must have one shape, one picture and one negative prompt."""

    def paint(requests: Sequence[BenchRequest]) -> Sequence[Any]:
        together = type(requests[0])(tuple(pictures(requests)))
        return call_pipeline(pipeline, [recipe.prompt for recipe in together.variants], together, 1, **options)

    return paint


def at_its_best(pipeline: Any) -> Painter:
    """Return one call for all requests where they can share one, else one per request."""
    together, apart = as_batch(pipeline), one_by_one(pipeline)
    return lambda requests: (together if can_share_a_call(requests) else apart)(requests)


def can_share_a_call(requests: Sequence[BenchRequest]) -> bool:
    """Return whether the stock pipeline can paint several requests in one call: they must have one shape."""
    alike = {(recipe.width, recipe.height, recipe.steps, recipe.guidance_scale) for recipe in pictures(requests)}
    return len(requests) > 1 and len(alike) == 1


def by_denoiser(model: Model, settings: EngineSettings) -> Painter:
    """Return the denoiser, given all requests at once; no turn remembers an earlier one's prompts. Raises Fatal."""

    def paint(requests: Sequence[BenchRequest]) -> Sequence[Any]:
        replies: list[Reply] = []
        denoiser = Denoiser(model, settings, replies.append)
        wanted = pictures(requests)
        for number, recipe in enumerate(wanted):
            denoiser.take(Paint(number, recipe, Lane.LIVE))
        while denoiser.busy:
            denoiser.work()
        return painted(replies, len(wanted))

    return paint


def painted(replies: Sequence[Reply], wanted: int) -> list[Painted]:
    """Return the pictures among the replies, in order of their numbers. Raises Fatal unless all were painted."""
    failure = next((reply.message for reply in replies if isinstance(reply, Failed)), None)
    done = sorted((reply for reply in replies if isinstance(reply, Painted)), key=lambda reply: reply.number)
    if failure or len(done) != wanted:
        raise Fatal(Reason.NOT_PAINTED, f"The denoiser did not paint a picture of the benchmark: {failure}")
    return done


def compiled(model: Model) -> Model:
    """Return a model that shares every weight with this one, its decoder and arithmetic between products compiled.

    As in the engine it is compiled once for all layers and sizes. `TORCHINDUCTOR_CACHE_DIR` keeps it. Raises Fatal for
    a model that is painted with by the forward pass of diffusers, or if there is nothing to compile with.
    """
    if not isinstance(model.forward, PackedForward):
        raise Fatal(Reason.MISCONFIGURED, "--compile needs LEADART_ENGINE__FORWARD=packed: leave one of them out.")
    require_compiler(model.device.type, os.environ)
    faster = copy(model)
    faster.forward = model.forward.with_kernels(compile_kernels(PLAIN))
    faster.decode_pass = compile_decode_pass()
    return faster


def compiled_pipeline(pipeline: Any, device: torch.device) -> Any:
    """Return a pipeline that shares every weight with this one and whose blocks are compiled, as diffusers advises.

    Raises Fatal if there is nothing to compile with.
    """
    require_compiler(device.type, os.environ)
    shared: dict[int, Any] = {id(weights): weights for weights in pipeline.transformer.parameters()}
    transformer = deepcopy(pipeline.transformer, shared)
    transformer.compile_repeated_blocks()
    faster = type(pipeline)(**{**pipeline.components, "transformer": transformer})
    faster.set_progress_bar_config(disable=True)
    return faster


def pixels(picture: Any) -> Pixels:
    """Return a picture of any side as rows x columns x 3."""
    if isinstance(picture, Painted):
        return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)
    return np.asarray(picture)


_LEAST_ERROR = 1e-9
"""Mean squared error of equal pictures in 8 bits, so that they are 138 dB alike and not infinitely."""


def decibels(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return the peak signal-to-noise ratio of the two least alike pictures, pair by pair; 138 if all are equal."""
    errors = [
        float(np.mean((pixels(first).astype(float) - pixels(second).astype(float)) ** 2))
        for first, second in zip(one, other, strict=True)
    ]
    return 10 * math.log10(255**2 / max(*errors, _LEAST_ERROR))


def call_pipeline(
    pipeline: Any, prompt: str | list[str], request: BenchRequest, each: int, **options: Any
) -> Sequence[Any]:
    """Call the stock pipeline as its users do; return its pictures."""
    recipe = request.variants[0]
    images: Sequence[Any] = pipeline(
        prompt=prompt,
        negative_prompt=recipe.negative_prompt if isinstance(prompt, str) else [recipe.negative_prompt] * len(prompt),
        width=recipe.width,
        height=recipe.height,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance_scale,
        num_images_per_prompt=each,
        generator=[torch.Generator("cpu").manual_seed(variant.seed) for variant in request.variants],
        **options,
    ).images
    return images
