"""Settings of the engine."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field


class EngineKind(StrEnum):
    """Which engine paints."""

    ZIMAGE = "zimage"
    SWATCH = "swatch"


class MemoryPolicy(StrEnum):
    """How much of the model is on the GPU: all of it, one component at a time, or one group of layers at a time."""

    AUTO = "auto"
    RESIDENT = "resident"
    OFFLOAD = "offload"
    GROUP_OFFLOAD = "group_offload"


class ForwardKind(StrEnum):
    """Which forward pass of the transformer: leadart's own, or the one of diffusers."""

    PACKED = "packed"
    STOCK = "stock"


class KernelKind(StrEnum):
    """How the arithmetic between matrix products is done: fused on CUDA, or as plain formulas."""

    AUTO = "auto"
    FUSED = "fused"
    PLAIN = "plain"


class QuantizationKind(StrEnum):
    """What the transformer's large weights are rounded to and multiplied in: nothing, or fp8 (e4m3)."""

    NONE = "none"
    FP8 = "fp8"


class EngineSettings(BaseModel):
    """Engine."""

    kind: EngineKind = Field(
        EngineKind.ZIMAGE, description="`zimage` paints; `swatch` makes labelled colour cards, without torch."
    )
    model: Path | None = Field(
        None,
        description="Folder of the Z-Image pipeline (safetensors); required for `zimage`. It also sets the scheduler's "
        "shift; no setting does.",
    )
    weights: Path | None = Field(
        None,
        description="Your checkpoint for the model's transformer (safetensors: a file, a folder or an index).",
    )
    weights_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="Required SHA-256 of the checkpoint; default: any, recorded in events.",
    )
    overlay: bool = Field(
        False, description="Accept a checkpoint that covers only a part of the model; events then report the coverage."
    )
    adapters: Path | None = Field(
        None,
        description="Folder of LoRA files (safetensors), named by styles without their suffix; or one such file.",
    )
    devices: str = Field(
        "auto",
        pattern=r"^(auto|(cpu|mps|cuda(:[0-9]+)?)(,(cpu|mps|cuda(:[0-9]+)?))*)$",
        description="Devices, comma-separated, with one process each; all of them must start. `auto`: every GPU in "
        "CUDA_VISIBLE_DEVICES, else the CPU.",
    )
    memory: MemoryPolicy = Field(
        MemoryPolicy.AUTO,
        description="Model placement: `resident` on the GPU, `offload` by component, `group_offload` by layers; `auto` "
        "measures.",
    )
    max_split_size_mb: int | None = Field(
        None,
        ge=21,
        le=1_048_576,
        description="CUDA allocator: largest block it may split; default: expandable segments, which suit mixed sizes.",
    )
    forward: ForwardKind = Field(
        ForwardKind.PACKED,
        description="Forward pass of the transformer: `packed` is leadart's own, `stock` the one of diffusers, for "
        "transformers that ours does not know.",
    )
    kernels: KernelKind = Field(
        KernelKind.AUTO,
        description="Arithmetic between matrix products: `fused` needs CUDA and Triton, `plain` is torch's own; "
        "`auto`: fused on CUDA, plain where Triton or its C compiler is missing.",
    )
    quantization: QuantizationKind = Field(
        QuantizationKind.NONE,
        description="`fp8` rounds large weights of the transformer to 8 bits (e4m3): less memory, other pixels for the "
        "same seed; recipes and events record it. Needs a GPU that multiplies so.",
    )
    batch_size: int = Field(8, ge=1, le=64, description="Maximum pictures in one denoising step.")
    batch_tokens: int = Field(
        17_408, ge=64, le=4_194_304, description="Maximum tokens in one denoising step of several pictures."
    )
    step_seconds: float = Field(
        0.5,
        gt=0,
        le=60,
        description="Maximum duration of one denoising step of several pictures, by the speed measured at the start; "
        "an interactive request waits for one step.",
    )
    prompt_cache_mb: int = Field(256, ge=1, le=65_536, description="Memory limit of the prompt embedding cache.")
    compile: bool | None = Field(
        None,
        description="Compile the decoder and plain arithmetic in the background, while pictures are painted without; "
        "default: on CUDA, where Triton and a C compiler are.",
    )
    compile_cache: Path | None = Field(
        None,
        description="Folder that keeps compiled code for the next start; default: `leadart` in the user's cache "
        "folder, or a temporary one where that cannot be written.",
    )
    window: int = Field(
        8,
        ge=1,
        le=256,
        description="Maximum pictures of a lane in the engine at a time, per device; the rest wait.",
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the engine; 0: torch decides.")
    load_timeout_seconds: float = Field(600.0, ge=1, le=7200, description="Timeout of loading the model.")
    step_timeout_seconds: float = Field(
        300.0, ge=0.1, le=7200, description="An engine silent for this long while painting is killed and restarted."
    )
    swatch_seconds: float = Field(0.0, ge=0, le=600, description="Time the swatch engine takes for a picture.")
