"""What the transformer says of a step's pictures: where each has to go, guidance included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.engine.runtime.sample import Sample
    from consumer.engine.runtime.step_scheduler import StepBatch


def velocities(transformer: Any, step: StepBatch[Sample]) -> list[torch.Tensor]:
    """Return the velocity of each of the step's pictures, fp32, channels x rows x columns, in their order.

    One call of the transformer, or two where `step` says so, whatever the pictures' sizes, prompts and times.
    """
    toward = [(draft, draft.embedding) for draft in step.pictures]
    away = [(draft, draft.negative_embedding) for draft in step.pictures if draft.negative_embedding is not None]
    if step.one_pass or not away:
        flows = _flows(transformer, toward + away)
    else:
        flows = _flows(transformer, toward) + _flows(transformer, away)
    negatives = dict(zip((draft.number for draft, _ in away), flows[len(toward) :], strict=True))
    return [
        _guided(flow, negatives[draft.number], draft.order.recipe.guidance_scale) if draft.number in negatives else flow
        for draft, flow in zip(step.pictures, flows[: len(toward)], strict=True)
    ]


def _flows(transformer: Any, sequences: Sequence[tuple[Sample, torch.Tensor]]) -> list[torch.Tensor]:
    """Call the transformer once; it takes each picture in its own size, as a film of one frame."""
    # Not `transformer.dtype`: that walks through all modules, which takes as long as a layer does.
    dtype = next(transformer.parameters()).dtype
    latents = [draft.latents.to(dtype).unsqueeze(1) for draft, _ in sequences]
    times = torch.stack([draft.time for draft, _ in sequences])
    embeddings = [embedding for _, embedding in sequences]
    (flows,) = transformer(latents, times, embeddings, return_dict=False)
    return [flow.squeeze(1).float() for flow in flows]


def _guided(toward: torch.Tensor, away: torch.Tensor, scale: float) -> torch.Tensor:
    """Return classifier-free guidance as Z-Image counts it: scale 0 is none, other tools' scale less one."""
    return toward + scale * (toward - away)
