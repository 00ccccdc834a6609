"""Which implementation of the arithmetic between matrix products a device gets."""

import torch

from consumer.engine.runtime.compiling import compile_kernels
from consumer.engine.runtime.forward.kernels import PLAIN, Kernels
from consumer.errors import Fatal
from consumer.settings import EngineSettings, KernelKind
from schemas import Reason


def choose_kernels(settings: EngineSettings, device: torch.device) -> Kernels:
    """Return fused kernels on CUDA, else the plain formulas, compiled if so set. Raises Fatal naming the setting."""
    if settings.kernels is KernelKind.FUSED and device.type != "cuda":
        raise Fatal(
            Reason.MISCONFIGURED, f"LEADART_ENGINE__KERNELS=fused needs CUDA, but the device is {device}: use auto."
        )
    if device.type == "cuda" and settings.kernels is not KernelKind.PLAIN:
        from consumer.engine.runtime.forward.fused import FUSED  # noqa: PLC0415 - Triton is there only with CUDA

        return FUSED
    return compile_kernels(PLAIN, device) if settings.compile else PLAIN
