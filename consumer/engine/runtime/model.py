"""The Z-Image pipeline as the engine uses it: loaded from a local folder and placed on a device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from consumer.engine.runtime.custom_weights import CustomWeights, require_loaded, use_adapters
from consumer.engine.runtime.decoder import DecodePass, arrange, decode_pass
from consumer.engine.runtime.forward.choice import Forward, choose_forward
from consumer.engine.runtime.forward.implementation import choose_kernels
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.geometry import LatentGeometry
from consumer.engine.runtime.placement import PipelinePart, Placement
from consumer.engine.runtime.quantise import quantise
from consumer.engine.runtime.streaming import stream_transformer
from consumer.engine.weights import check_folder, unavailable
from consumer.engine.weights.folder import incomplete, read_json
from consumer.engine.weights.refusal import some
from consumer.engine.weights.report import QUANTISED
from consumer.errors import Fatal
from consumer.jobs import Adapter
from consumer.settings import EngineSettings, MemoryPolicy, QuantizationKind
from schemas import Reason

_CPU = torch.device("cpu")


class Model:
    """A pipeline on its device. Its parts are used one by one; the pipeline itself is never called.

    `token_seconds` is what a token costs in a step, 0 until it is measured. `custom` is what was loaded over the
    pipeline's own transformer beforehand. `forward` and `decode_pass` are what it paints with, until
    `compiled` parts take their place.
    """

    def __init__(
        self,
        pipeline: Any,
        device: torch.device,
        settings: EngineSettings,
        custom: CustomWeights | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.custom = custom or CustomWeights()
        if device.type == "cuda":
            arrange(pipeline.vae)
        self._kernels = choose_kernels(settings, device)
        if settings.quantization is QuantizationKind.FP8:
            quantise(pipeline.transformer, self._kernels.kernels.quantise_rows)
        self.placement = Placement(pipeline, device, settings.memory)
        self.geometry = LatentGeometry(pipeline.vae_scale_factor, pipeline.transformer.config.all_patch_size[0])
        self.token_seconds = 0.0
        self._adapters: Sequence[Adapter] | None = ()
        self._settings = settings
        self._eager_forward = self._choose_forward()
        self.forward = self._eager_forward
        self.decode_pass: DecodePass = decode_pass

    @property
    def device(self) -> torch.device:
        """The device it runs on."""
        return self.placement.device

    @property
    def transformer(self) -> Any:
        """The denoising network."""
        return self.pipeline.transformer

    @property
    def kernels(self) -> str:
        """Which arithmetic it paints with between matrix products, in words for a log line."""
        return "of diffusers" if isinstance(self.forward, StockForward) else self._kernels.words

    @property
    def plain_forward(self) -> PackedForward | None:
        """The forward pass, if it is ours with plain arithmetic, which can be compiled."""
        forward = self.forward
        return forward if isinstance(forward, PackedForward) and self._kernels.kernels is PLAIN else None

    @property
    def dtype(self) -> torch.dtype:
        """The transformer's dtype, without the walk through all modules of `transformer.dtype`."""
        dtype: torch.dtype = self.transformer.x_pad_token.dtype
        return dtype

    @property
    def vae(self) -> Any:
        """The decoder."""
        return self.pipeline.vae

    @property
    def scheduler(self) -> Any:
        """The model's own scheduler, shift included: copied for each picture, never modified."""
        return self.pipeline.scheduler

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return int(self.transformer.config.in_channels)

    def unsupported(self, width: int, height: int, asked: tuple[int, int] | None = None) -> tuple[Reason, str] | None:
        """Return why the model cannot paint this size at all, None if it can; `asked` is the size that it is for.

        Checked before the device is used: an index out of range there would end the process.
        """
        side = self.geometry.pixels * self.geometry.patch
        size = "{}x{}".format(*(asked or (width, height)))
        if width % side or height % side:
            return Reason.NOT_PAINTED, f"This model paints sides that are multiples of {side}, not {size}."
        *_, rows, columns = self.transformer.config.axes_lens
        if width > columns * side or height > rows * side:
            return Reason.TOO_LARGE, f"This model paints up to {columns * side}x{rows * side}, not {size}."
        return None

    def activate_transformer(self, adapters: Sequence[Adapter]) -> None:
        """Make the transformer ready with exactly these adapters. Raises LookupError for one that was not loaded."""
        if adapters != self._adapters:
            self._adapters = None  # a switch that fails halfway must not pass for the previous one
            use_adapters(self.transformer, adapters)
            self._adapters = adapters
        self.placement.activate(PipelinePart.TRANSFORMER)

    def offload(self) -> bool:
        """Keep less on the device from now on, without compiled parts; return False if that is impossible."""
        if not self.placement.offload():
            return False
        self._eager_forward = self._choose_forward()
        self.use_eager()
        return True

    def use_eager(self) -> bool:
        """Paint without compiled parts from now on; return False if it does so already."""
        compiled = self.decode_pass is not decode_pass
        self.forward, self.decode_pass = self._eager_forward, decode_pass
        return compiled

    def _choose_forward(self) -> Forward:
        policy = self.placement.policy
        return choose_forward(
            self.transformer,
            self._settings.forward,
            self._kernels.kernels,
            resident=policy is MemoryPolicy.RESIDENT,
            movable=policy is not MemoryPolicy.GROUP_OFFLOAD,
        )


def weights_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of weights on a device: bf16 on CUDA, else fp32 (fp16 overflows in this model)."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def load_pipeline(folder: Path, device: torch.device, onto: torch.device = _CPU) -> Any:
    """Return a ZImagePipeline in the device's dtype, its transformer and text encoder `onto` that or the CPU.

    Reads safetensors only, never from a hub. Raises Fatal naming the folder.
    """
    check_folder(folder)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    dtype = weights_dtype(device)
    try:
        pipeline = diffusers.ZImagePipeline.from_pretrained(
            folder,
            text_encoder=_load_text_encoder(folder, dtype, onto),
            transformer=stream_transformer(folder, onto, dtype),
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
        )
    except Fatal:
        raise
    except Exception as error:
        raise unavailable(folder, f"could not be loaded ({type(error).__name__}: {error})") from error
    require_loaded(folder, "vae", pipeline.vae)
    if not pipeline.tokenizer.chat_template:
        raise unavailable(folder, "has a tokenizer without a chat template")
    if pipeline.scheduler.config.get("stochastic_sampling"):
        raise unavailable(
            folder, "has a scheduler that draws noise at every step, so that no picture could be repeated"
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _load_text_encoder(folder: Path, dtype: torch.dtype, onto: torch.device) -> Any:
    """Load it separately: transformers fills missing tensors with random numbers, and says so only if asked."""
    _, name = (read_json(folder, "model_index.json") or {})["text_encoder"]
    encoder, loading = getattr(transformers, name).from_pretrained(
        folder / "text_encoder",
        dtype=dtype,
        device_map=None if onto == _CPU else {"": onto},
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    if missing := sorted(loading["missing_keys"]):
        raise incomplete(folder, "text_encoder", missing)
    if scales := sorted(key for key in loading["unexpected_keys"] if key.endswith(QUANTISED)):
        raise unavailable(folder, f"has a quantised text_encoder ({some(scales)}), which would be read as it is stored")
    return encoder


def find_device(name: str) -> torch.device:
    """Return the torch device; `auto` is the first GPU, else the CPU. Raises Fatal naming the setting."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Fatal(
            Reason.MISCONFIGURED, f"LEADART_ENGINE__DEVICES={name} is not a device that torch knows."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__DEVICES={name}, but torch sees {torch.cuda.device_count()} CUDA devices.",
        )
    return device
