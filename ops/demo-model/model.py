"""The parts of the demo model, each of the class that the full one uses, and how they are put together and saved."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from consumer.engine.weights import CARD
from tokens import as_chat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHIFT = 3.0
"""How much more of its time the model spends on noisy pictures, in training and in painting alike."""

SUMS = "SHA256SUMS"

REMARK = (
    "A model of 17 MB, trained on drawn scenes for nine hours on two processor cores, painted this: it knows some two "
    "dozen things from boat to umbrella, eight grounds, weather, hours and five styles, in English and Chinese. Skies, "
    "grounds, colours and styles come out as told; things are rough, and now and then one looks like another. What "
    "else a story tells, such as faces, letters or crowds, it cannot paint."
)
"""What the demo's page tells its readers."""

TEXT_WIDTH = 192
"""Numbers that tell the transformer of one token."""


def build_transformer() -> Any:
    """Return an untrained denoiser of 5 million parameters."""
    return ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=192,
        n_layers=6,
        n_refiner_layers=1,
        n_heads=3,
        n_kv_heads=3,
        cap_feat_dim=TEXT_WIDTH,
        axes_dims=[16, 24, 24],
        axes_lens=[1536, 512, 512],
    )


def build_text_encoder(vocabulary: int) -> Any:
    """Return an untrained text encoder; the pipeline reads what comes before its last layer."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=48,
            max_position_embeddings=1024,
        )
    )


def encode(tokenizer: Any, encoder: Any, prompts: Sequence[str]) -> list[torch.Tensor]:
    """Return each prompt's features as the pipeline computes them."""
    chats = [as_chat(tokenizer, prompt) for prompt in prompts]
    tokens = tokenizer(chats, padding=True, truncation=True, max_length=512, return_tensors="pt")
    states = encoder(
        input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, output_hidden_states=True
    ).hidden_states[-2]
    return [state[mask.bool()] for state, mask in zip(states, tokens.attention_mask, strict=True)]


def assemble(transformer: Any, encoder: Any, tokenizer: Any, autoencoder: Any) -> Any:
    """Return the stock pipeline over these parts."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT, use_dynamic_shifting=False)
    pipeline = ZImagePipeline(
        transformer=transformer, text_encoder=encoder, tokenizer=tokenizer, vae=autoencoder, scheduler=scheduler
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save(pipeline: Any, folder: Path) -> None:
    """Write the pipeline in half precision, with leadart's card and the hash of every file."""
    pipeline.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    (folder / CARD).write_text(json.dumps({"name": "demo", "remark": REMARK}) + "\n")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}" for file in files]
    (folder / SUMS).write_text("\n".join(lines) + "\n")
