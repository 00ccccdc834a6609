"""One denoising step's transformer calls: the velocity of each picture, with guidance."""

from collections.abc import Sequence
from typing import Any

import torch

from consumer.engine.runtime.sample import Flow, Sample
from consumer.engine.runtime.step_scheduler import StepBatch


def velocities(transformer: Any, batch: StepBatch[Sample]) -> list[Flow]:
    """Return the flow of each picture of the batch in its order.

    Takes one call of the transformer, or two if `batch` says so, whatever the pictures' sizes, prompts and times.
    """
    toward = [(sample, sample.embedding) for sample in batch.pictures]
    away = [(sample, sample.negative_embedding) for sample in batch.pictures if sample.negative_embedding is not None]
    if batch.one_pass or not away:
        flows = _flows(transformer, toward + away)
    else:
        flows = _flows(transformer, toward) + _flows(transformer, away)
    negatives = dict(zip((sample.number for sample, _ in away), flows[len(toward) :], strict=True))
    return [
        _guided(flow, negatives[sample.number], sample.command.recipe.guidance_scale)
        if sample.number in negatives
        else Flow(flow)
        for sample, flow in zip(batch.pictures, flows[: len(toward)], strict=True)
    ]


def _flows(transformer: Any, sequences: Sequence[tuple[Sample, torch.Tensor]]) -> list[torch.Tensor]:
    """Call the transformer once; it takes each picture in its own size, as a film of one frame."""
    # Not `transformer.dtype`: that walks through all modules, which takes as long as a layer does.
    dtype = next(transformer.parameters()).dtype
    latents = [sample.latents.to(dtype).unsqueeze(1) for sample, _ in sequences]
    times = torch.stack([sample.time for sample, _ in sequences])
    embeddings = [embedding for _, embedding in sequences]
    (flows,) = transformer(latents, times, embeddings, return_dict=False)
    return [flow.squeeze(1).float() for flow in flows]


def _guided(toward: torch.Tensor, away: torch.Tensor, scale: float) -> Flow:
    """Return classifier-free guidance by Z-Image's definition: scale 0 is none, other tools' scale minus one."""
    difference = toward - away
    return Flow(toward + scale * difference, difference)
