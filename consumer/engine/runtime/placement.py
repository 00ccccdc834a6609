"""Where the model rests: on the device whole, or part by part, or group of layers by group of layers."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import torch

from consumer.settings import MemoryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADROOM_BYTES = 3 * 2**30
"""What working on a picture takes beside the weights: about 2.5 GiB for 1024 x 1024 with guidance, and some air."""


class PipelinePart(StrEnum):
    """What of the model is at work, by its name in the pipeline."""

    TEXT_ENCODER = "text_encoder"
    TRANSFORMER = "transformer"
    VAE = "vae"


def choose_policy(wanted: MemoryPolicy, parts: Mapping[str, int], free: int | None) -> MemoryPolicy:
    """Return how the model is to rest: as wanted, and with `auto` the fastest way that fits into `free` bytes.

    `parts` are the bytes of each part's weights. `free` is None where there is nothing to offload from: on a CPU.
    """
    if free is None:
        return MemoryPolicy.RESIDENT
    if wanted is not MemoryPolicy.AUTO:
        return wanted
    if sum(parts.values()) + HEADROOM_BYTES <= free:
        return MemoryPolicy.RESIDENT
    if max(parts.values()) + HEADROOM_BYTES <= free:
        return MemoryPolicy.OFFLOAD
    return MemoryPolicy.GROUP_OFFLOAD


class Placement:
    """The pipeline's place on its device. The hooks of diffusers and accelerate do the moving."""

    def __init__(self, pipeline: Any, device: torch.device, wanted: MemoryPolicy) -> None:
        self.device = device
        self._pipeline = pipeline
        self._at_work = PipelinePart.TEXT_ENCODER
        self.policy = choose_policy(wanted, weights_of(pipeline), free_bytes(device))
        self._apply()

    def turn_to(self, part: PipelinePart) -> None:
        """Say what works next: with `offload`, what worked before makes room first."""
        if self.policy is MemoryPolicy.OFFLOAD and part is not self._at_work:
            self._pipeline.maybe_free_model_hooks()
        self._at_work = part

    def offload(self) -> bool:
        """Keep less on the device from now on; False when there is nothing less, or nothing to offload from."""
        if self.device.type == "cpu" or self.policy is MemoryPolicy.GROUP_OFFLOAD:
            return False
        resident = self.policy is MemoryPolicy.RESIDENT
        self._pipeline.remove_all_hooks()
        self.policy = MemoryPolicy.OFFLOAD if resident else MemoryPolicy.GROUP_OFFLOAD
        self._apply()
        return True

    def gather(self) -> None:
        """After trouble under `offload`: take every part off the device, one that was moved by half with it."""
        if self.policy is MemoryPolicy.OFFLOAD:
            self._pipeline.maybe_free_model_hooks()

    def empty_cache(self) -> None:
        """Give the device's unused memory back. Raises torch.AcceleratorError when the device is lost."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()

    def _apply(self) -> None:
        match self.policy:
            case MemoryPolicy.OFFLOAD:
                self._pipeline.enable_model_cpu_offload(device=self.device)
            case MemoryPolicy.GROUP_OFFLOAD:
                self._pipeline.to("cpu")
                # By leaves: the transformer keeps its rotary tables beside its blocks, where hooks on blocks miss them.
                # Without streams: their hooks wait for a `forward` of each part, and the decoder is never called so.
                self._pipeline.enable_group_offload(onload_device=self.device, offload_type="leaf_level")
            case _:
                self._pipeline.to(self.device)


def weights_of(pipeline: Any) -> dict[str, int]:
    """Return the bytes of each part's weights."""
    return {name: sum(parameter.nbytes for parameter in getattr(pipeline, name).parameters()) for name in PipelinePart}


def free_bytes(device: torch.device) -> int | None:
    """Return what is free on the device, None on a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
