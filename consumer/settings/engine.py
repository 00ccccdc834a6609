"""What an operator can set about painting."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field


class EngineKind(StrEnum):
    """Which engine paints."""

    ZIMAGE = "zimage"
    SWATCH = "swatch"


class MemoryPolicy(StrEnum):
    """Where the model rests on a GPU: all of it, one part at a time, or one group of layers at a time."""

    AUTO = "auto"
    RESIDENT = "resident"
    OFFLOAD = "offload"
    GROUP_OFFLOAD = "group_offload"


class EngineSettings(BaseModel):
    """What paints."""

    kind: EngineKind = Field(
        EngineKind.ZIMAGE, description="`zimage` paints; `swatch` makes labelled colour cards without torch."
    )
    model: Path | None = Field(
        None,
        description="Folder of the Z-Image pipeline (safetensors); required for `zimage`. The scheduler's shift comes "
        "with it and is set nowhere else.",
    )
    weights: Path | None = Field(
        None,
        description="The house's checkpoint (safetensors: a file, a folder or an index) over the model's transformer.",
    )
    weights_sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 that the checkpoint must have; none: any, and recorded."
    )
    overlay: bool = Field(
        False, description="Accept a checkpoint that covers the model in part; every event then tells the coverage."
    )
    adapters: Path | None = Field(
        None,
        description="Folder of LoRA files (safetensors) that styles may name, each by its name without suffix; or one "
        "such file.",
    )
    devices: str = Field(
        "auto",
        pattern=r"^(auto|(cpu|mps|cuda(:[0-9]+)?)(,(cpu|mps|cuda(:[0-9]+)?))*)$",
        description="Comma-separated devices, a process on each; all must come up at the start. `auto`: every GPU that "
        "CUDA_VISIBLE_DEVICES shows, else the CPU.",
    )
    memory: MemoryPolicy = Field(
        MemoryPolicy.AUTO,
        description="Where the model rests: `resident` on the GPU, `offload` by parts, `group_offload` by layers; "
        "`auto` measures.",
    )
    max_split_size_mb: int | None = Field(
        None,
        ge=21,
        le=1_048_576,
        description="CUDA allocator: never split larger blocks; none: segments that expand, which suits mixed sizes.",
    )
    batch_size: int = Field(8, ge=1, le=64, description="Most pictures in one denoising step.")
    batch_tokens: int = Field(
        17_408, ge=64, le=4_194_304, description="Most tokens in one call of the transformer, padding included."
    )
    prompt_cache_mb: int = Field(256, ge=1, le=65_536, description="Most memory for embeddings of prompts seen before.")
    compile: bool = Field(
        False, description="Compile the transformer's blocks: minutes at the start, then faster steps."
    )
    compile_cache: Path | None = Field(
        None, description="Folder that keeps what was compiled for the next start; none: a temporary one."
    )
    window: int = Field(
        8,
        ge=1,
        le=256,
        description="Most pictures of a lane handed to the engine at a time, for each device; the rest wait.",
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the engine; 0 leaves it to torch.")
    load_timeout_seconds: float = Field(600.0, ge=1, le=7200, description="Bound on loading the model.")
    step_timeout_seconds: float = Field(
        300.0, ge=0.1, le=7200, description="An engine silent for this long while painting is killed and started again."
    )
    swatch_seconds: float = Field(0.0, ge=0, le=600, description="How long the swatch engine takes for a picture.")
