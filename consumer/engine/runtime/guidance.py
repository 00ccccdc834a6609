"""One denoising step's flows: the velocity of each picture, with guidance."""

from collections.abc import Mapping, Sequence

import torch

from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.sample import Flow, Sample
from consumer.engine.runtime.step_scheduler import TransformerCall


def velocities(forward: Forward, calls: Sequence[TransformerCall[Sample]]) -> dict[int, Flow]:
    """Return each picture's flow by its number, whatever the pictures' sizes, prompts, times and calls."""
    flows: dict[tuple[Sample, bool], torch.Tensor] = {}
    for call in calls:
        latents = [each.picture.latents for each in call.sequences]
        times = torch.stack([each.picture.time for each in call.sequences])
        conditionings = [each.picture.conditioned(forward, negative=each.negative) for each in call.sequences]
        for each, flow in zip(call.sequences, forward.flows(latents, times, conditionings), strict=True):
            flows[each.picture, each.negative] = flow.float()
    alone = {picture.number: Flow(flow) for (picture, _), flow in flows.items()}
    return alone | _guided(flows)


def _guided(flows: Mapping[tuple[Sample, bool], torch.Tensor]) -> dict[int, Flow]:
    """Return classifier-free guidance by Z-Image's definition: scale 0 is none, other tools' scale minus one.

    All pictures' at once: torch's functions for lists take a kernel or two, however many pictures there are.
    """
    pictures = [picture for picture, negative in flows if negative]
    if not pictures:
        return {}
    toward = [flows[picture, False] for picture in pictures]
    differences = torch._foreach_sub(toward, [flows[picture, True] for picture in pictures])  # noqa: SLF001 - as torch.optim
    scales = [picture.command.recipe.guidance_scale for picture in pictures]
    steered = torch._foreach_add(toward, torch._foreach_mul(differences, scales))  # noqa: SLF001 - likewise
    found = zip(pictures, steered, differences, strict=True)
    return {picture.number: Flow(velocity, difference) for picture, velocity, difference in found}
