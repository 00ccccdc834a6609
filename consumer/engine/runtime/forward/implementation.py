"""Which implementation of the arithmetic between matrix products a device gets."""

import os
from dataclasses import dataclass

import torch

from consumer.engine.runtime.compiling import missing_for_triton
from consumer.engine.runtime.forward.kernels import PLAIN, Kernels
from consumer.errors import Fatal
from consumer.settings import EngineSettings, KernelKind
from schemas import Reason


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """The kernels, and which they are in words, for a log line: with the reason where a GPU does without fused ones."""

    kernels: Kernels
    words: str


def choose_kernels(settings: EngineSettings, device: torch.device) -> KernelChoice:
    """Return fused kernels on CUDA, else the plain formulas.

    With `auto` the plain formulas also serve where Triton or its compiler is missing. Raises Fatal naming the setting.
    """
    if settings.kernels is KernelKind.FUSED and device.type != "cuda":
        raise Fatal(
            Reason.MISCONFIGURED, f"LEADART_ENGINE__KERNELS=fused needs CUDA, but the device is {device}: use auto."
        )
    if device.type != "cuda" or settings.kernels is KernelKind.PLAIN:
        return KernelChoice(PLAIN, "plain")
    if lack := missing_for_triton(os.environ):
        return _without_triton(settings, lack)
    from consumer.engine.runtime.forward.fused import FUSED  # noqa: PLC0415 - imports Triton

    return KernelChoice(FUSED, "fused")


def _without_triton(settings: EngineSettings, lack: str) -> KernelChoice:
    """Return plain kernels. Raises Fatal if told to fuse."""
    if settings.kernels is KernelKind.FUSED:
        raise Fatal(Reason.MISCONFIGURED, f"LEADART_ENGINE__KERNELS=fused needs Triton: {lack}, or use auto.")
    return KernelChoice(PLAIN, f"plain, slower than fused: {lack}")
