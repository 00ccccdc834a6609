"""One denoising step's flows: the velocity of each picture, with guidance."""

from collections.abc import Sequence

import torch

from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.sample import Flow, Sample
from consumer.engine.runtime.step_scheduler import PictureSequence, TransformerCall


def velocities(forward: Forward, dtype: torch.dtype, calls: Sequence[TransformerCall[Sample]]) -> dict[int, Flow]:
    """Return each picture's flow by its number, whatever the pictures' sizes, prompts, times and calls."""
    flows: dict[tuple[int, bool], torch.Tensor] = {}
    for call in calls:
        latents = [each.picture.latents.to(dtype) for each in call.sequences]
        times = torch.stack([each.picture.time for each in call.sequences])
        conditionings = [each.picture.conditioned(forward, negative=each.negative) for each in call.sequences]
        for each, flow in zip(call.sequences, forward.flows(latents, times, conditionings), strict=True):
            flows[each.picture.number, each.negative] = flow.float()
    return {each.picture.number: _guided(each, flows) for call in calls for each in call.sequences if not each.negative}


def _guided(sequence: PictureSequence[Sample], flows: dict[tuple[int, bool], torch.Tensor]) -> Flow:
    """Return classifier-free guidance by Z-Image's definition: scale 0 is none, other tools' scale minus one."""
    picture = sequence.picture
    toward, away = flows[picture.number, False], flows.get((picture.number, True))
    if away is None:
        return Flow(toward)
    difference = toward - away
    return Flow(toward + picture.command.recipe.guidance_scale * difference, difference)
