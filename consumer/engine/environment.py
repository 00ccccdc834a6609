"""What an engine process finds in its environment, which torch reads at its import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.engine.devices import VISIBLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.engine.devices import EngineDevice
    from consumer.settings import EngineSettings

_ALLOCATOR = "PYTORCH_ALLOC_CONF"
_ALLOCATOR_BEFORE = "PYTORCH_CUDA_ALLOC_CONF"


def child_environment(settings: EngineSettings, device: EngineDevice, ours: Mapping[str, str]) -> dict[str, str]:
    """Return `ours` without the bus's and the store's secrets, with the allocator, the caches and the GPU told."""
    kept = {name: value for name, value in ours.items() if not name.upper().startswith(("LEADART_", "AWS_"))}
    environment = {**_with_allocator(settings, kept), "HF_HUB_OFFLINE": "1"}
    if settings.compile_cache is not None:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(settings.compile_cache)
    if device.visible is not None:
        environment[VISIBLE] = device.visible
    return environment


def _with_allocator(settings: EngineSettings, environment: dict[str, str]) -> dict[str, str]:
    """Configure the CUDA allocator once: our setting beats the operator's variables, which beat the default.

    torch reads the old name first (c10/cuda/CUDAAllocatorConfig.h): both set, the new one would go unheard.
    """
    named = {_ALLOCATOR, _ALLOCATOR_BEFORE}
    if settings.max_split_size_mb is not None:
        # Never with expandable segments: the two together failed near the end of the memory (PyTorch 134338).
        others = {name: value for name, value in environment.items() if name not in named}
        return {**others, _ALLOCATOR: f"max_split_size_mb:{settings.max_split_size_mb}"}
    if named & environment.keys():
        return environment
    # Segments that grow keep pictures of many sizes from fragmenting the memory.
    return {**environment, _ALLOCATOR: "expandable_segments:True"}
