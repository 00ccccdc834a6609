"""Where the model's weights are kept: all on the device, or moved there part by part or layer by layer."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import torch

from consumer.settings import MemoryPolicy

HEADROOM_BYTES = 3 * 2**30
"""Memory for painting, beside the weights: about 2.5 GiB for 1024 x 1024 with guidance, and some reserve."""


class PipelinePart(StrEnum):
    """A part of the model, by its name in the pipeline."""

    TEXT_ENCODER = "text_encoder"
    TRANSFORMER = "transformer"
    VAE = "vae"


def choose_policy(configured: MemoryPolicy, parts: Mapping[str, int], free: int | None) -> MemoryPolicy:
    """Return the configured policy, or for `auto` the fastest one that fits into `free` bytes.

    `parts` are the bytes of each part's weights. `free` is None on a CPU, where there is nothing to offload from.
    """
    if free is None:
        return MemoryPolicy.RESIDENT
    if configured is not MemoryPolicy.AUTO:
        return configured
    if sum(parts.values()) + HEADROOM_BYTES <= free:
        return MemoryPolicy.RESIDENT
    if max(parts.values()) + HEADROOM_BYTES <= free:
        return MemoryPolicy.OFFLOAD
    return MemoryPolicy.GROUP_OFFLOAD


class Placement:
    """The pipeline's placement on its device. The hooks of diffusers and accelerate move the weights."""

    def __init__(self, pipeline: Any, device: torch.device, configured: MemoryPolicy) -> None:
        self.device = device
        self._pipeline = pipeline
        self._active = PipelinePart.TEXT_ENCODER
        self.policy = choose_policy(configured, weights_of(pipeline), _bytes_for(pipeline, device))
        self._apply()

    def activate(self, part: PipelinePart) -> None:
        """Announce the part that runs next: with `offload`, the previous part leaves the device first."""
        if self.policy is MemoryPolicy.OFFLOAD:
            if part is not self._active:
                self._pipeline.maybe_free_model_hooks()
            if part is PipelinePart.TRANSFORMER:
                transformer = self._pipeline.transformer
                transformer._hf_hook.pre_forward(transformer)  # noqa: SLF001 - as accelerate does before a `forward`
        self._active = part

    def offload(self) -> bool:
        """Keep less on the device from now on; return False if that is impossible."""
        if self.device.type == "cpu" or self.policy is MemoryPolicy.GROUP_OFFLOAD:
            return False
        resident = self.policy is MemoryPolicy.RESIDENT
        self._pipeline.remove_all_hooks()
        self.policy = MemoryPolicy.OFFLOAD if resident else MemoryPolicy.GROUP_OFFLOAD
        self._apply()
        return True

    def unload(self) -> None:
        """Take every part off the device after a failure under `offload`, also one that was moved halfway."""
        if self.policy is MemoryPolicy.OFFLOAD:
            self._pipeline.maybe_free_model_hooks()

    def empty_cache(self) -> None:
        """Return unused memory to the device. Raises torch.AcceleratorError when the device is lost."""
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


def first_place(configured: MemoryPolicy, parts: Mapping[str, int], device: torch.device) -> torch.device:
    """Return where weights are loaded to: the device if all of them are to be there, else main memory."""
    resident = choose_policy(configured, parts, free_bytes(device)) is MemoryPolicy.RESIDENT
    return device if resident else torch.device("cpu")


def weights_of(pipeline: Any) -> dict[str, int]:
    """Return the bytes of each part's weights."""
    return {name: sum(parameter.nbytes for parameter in getattr(pipeline, name).parameters()) for name in PipelinePart}


def _bytes_for(pipeline: Any, device: torch.device) -> int | None:
    """Return the bytes on the device that are free or the pipeline's already, None on a CPU."""
    free = free_bytes(device)
    parameters = (parameter for name in PipelinePart for parameter in getattr(pipeline, name).parameters())
    loaded = sum(parameter.nbytes for parameter in parameters if parameter.device.type == device.type)
    return None if free is None else free + loaded


def free_bytes(device: torch.device) -> int | None:
    """Return the free bytes on the device, None on a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
