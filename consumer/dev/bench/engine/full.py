"""The real Z-Image configuration, 6.15 billion parameters, with random weights: speed needs no trained ones.

`python -m consumer.dev.bench.engine.full FOLDER [DEVICE]` writes it as a pipeline's folder of 19 GiB.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from consumer.engine.runtime.model import find_device
from consumer.engine.runtime.placement import HEADROOM_BYTES
from consumer.engine.runtime.tiny import train_tokenizer
from consumer.engine.weights import CARD
from consumer.errors import Fatal
from schemas import Reason

TRANSFORMER_PARAMETERS = 6_154_908_736
TRANSFORMER_TENSORS = 521
WEIGHT_BYTES = 2 * (TRANSFORMER_PARAMETERS + 4_022_468_096 + 83_819_683)
"""What all parts take in bf16."""


def build_full_model(device: torch.device) -> Any:
    """Return the pipeline in bf16, its weights drawn on the device itself; the same seed draws the same ones.

    Raises Fatal when the device's memory cannot hold it.
    """
    _require_memory(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        with _in_bf16(device):
            parts = {"transformer": transformer(), "text_encoder": text_encoder(), "vae": autoencoder()}
    for part in parts.values():
        part.eval().requires_grad_(requires_grad=False)
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=6.0, use_dynamic_shifting=False)
    pipeline = ZImagePipeline(**parts, tokenizer=train_tokenizer(), scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def transformer() -> Any:
    """Return the denoising network on torch's current device: diffusers' defaults, and prompts up to 1536 tokens."""
    return ZImageTransformer2DModel(axes_lens=[1536, 512, 512])


def text_encoder() -> Any:
    """Return the text encoder on torch's current device: Qwen3 4B."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=151_936,
            hidden_size=2560,
            intermediate_size=9728,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
            max_position_embeddings=40_960,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
            tie_word_embeddings=True,
        )
    )


def autoencoder() -> Any:
    """Return the pixel side on torch's current device: FLUX's."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=32,
        sample_size=1024,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def is_full_size(pipeline: Any) -> bool:
    """Return whether the pipeline's transformer is the real one's size."""
    return _parameters(pipeline) == TRANSFORMER_PARAMETERS


def is_small(pipeline: Any) -> bool:
    """Return whether the transformer has less than a tenth of the real one's parameters: small pictures suit it."""
    return 10 * _parameters(pipeline) < TRANSFORMER_PARAMETERS


def _parameters(pipeline: Any) -> int:
    count: int = sum(parameter.numel() for parameter in pipeline.transformer.parameters())
    return count


@contextmanager
def _in_bf16(device: torch.device) -> Iterator[None]:
    """Make new tensors on the device and in bf16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


def _require_memory(device: torch.device) -> None:
    needed = WEIGHT_BYTES + HEADROOM_BYTES
    if device.type == "meta":
        return
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()
    if free < needed:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"The full-size model needs {needed / 2**30:.0f} GiB on {device}, and {free / 2**30:.0f} GiB are free: "
            "take a device with more memory, or --random tiny.",
        )


def available_bytes() -> int:
    """Return how much of the machine's memory is free."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def main(folder: Path, device: str) -> None:
    """Write the model as a folder. Raises Fatal when there is no memory for it."""
    build_full_model(find_device(device)).save_pretrained(folder, safe_serialization=True)
    (folder / CARD).write_text(json.dumps({"name": "full-random"}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "auto")
