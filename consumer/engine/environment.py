"""Environment variables of an engine process; torch reads them when it is imported."""

from collections.abc import Mapping

from consumer.engine.devices import VISIBLE, EngineDevice
from consumer.settings import EngineSettings

_ALLOCATOR = "PYTORCH_ALLOC_CONF"
_OLD_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"


def child_environment(settings: EngineSettings, device: EngineDevice, ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without secrets of the bus and the store, with allocator, caches and GPU configured."""
    kept = {name: value for name, value in ours.items() if not name.upper().startswith(("LEADART_", "AWS_"))}
    environment = {**_with_allocator(settings, kept), "HF_HUB_OFFLINE": "1"}
    if settings.compile_cache is not None:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(settings.compile_cache)
    if device.visible is not None:
        environment[VISIBLE] = device.visible
    return environment


def _with_allocator(settings: EngineSettings, environment: dict[str, str]) -> dict[str, str]:
    """Configure the CUDA allocator: our setting takes precedence over the operator's variables, those over the default.

    torch reads the old name first (c10/cuda/CUDAAllocatorConfig.h): if both are set, it ignores the new one.
    """
    named = {_ALLOCATOR, _OLD_ALLOCATOR}
    if settings.max_split_size_mb is not None:
        # Never with expandable segments: the combination failed when memory was nearly full (PyTorch 134338).
        others = {name: value for name, value in environment.items() if name not in named}
        return {**others, _ALLOCATOR: f"max_split_size_mb:{settings.max_split_size_mb}"}
    if named & environment.keys():
        return environment
    # Expandable segments keep pictures of many sizes from fragmenting the memory.
    return {**environment, _ALLOCATOR: "expandable_segments:True"}
