"""A real Z-Image pipeline of a few megabytes with random weights, built offline, for tests and for trying leadart.

Its pictures are coloured noise, as its name says. Every class is the one that the full model uses.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model

from consumer.engine.weights import CARD

_CORPUS = (
    "A storm over the harbour: ferries stay in port as winds pass one hundred kilometres per hour.",
    "An oil painting of a quiet library at dawn, an anime illustration of the city, a photorealistic portrait.",
    "low quality, blurry, text, watermark, photograph, drawing, editorial picture for an article",
    "港口上空的暴风雨，渡轮停航。清晨安静的图书馆，城市的插图，新闻配图。",
)
_SPECIAL = ("<|im_start|>", "<|im_end|>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_REMARK = (
    "The model has random weights. It is a complete Z-Image pipeline, but a tiny one that nobody has trained, so its "
    "pictures are coloured noise. All around them is real: the events, the store, the recipes."
)
_TEXT_WIDTH = 64
_LATENT_CHANNELS = 16


def build_tiny_model(folder: Path, seed: int = 0) -> None:
    """Create `folder` and write the pipeline into it; the same seed and libraries give the same bytes.

    Takes about a second after torch is imported. Paints every size up to 8192 pixels a side that memory allows.
    """
    tokenizer = train_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = ZImagePipeline(
            transformer=_transformer(),
            text_encoder=_text_encoder(len(tokenizer)),
            vae=_autoencoder(),
            tokenizer=tokenizer,
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=6.0, use_dynamic_shifting=False),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / CARD).write_text(json.dumps({"name": "tiny-random", "remark": _REMARK}) + "\n")


def train_tokenizer() -> Any:
    """Train a byte-level BPE, so that every Unicode text has tokens."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trained.train_from_iterator(
        _CORPUS, trainers.BpeTrainer(vocab_size=512, initial_alphabet=alphabet, show_progress=False)
    )
    model = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], chat_template=_CHAT_TEMPLATE
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    return tokenizer


def _transformer() -> Any:
    """Return the denoiser: `axes_dims` add up to a head's width; `axes_lens` (text, rows, columns) as at full size."""
    return ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=_LATENT_CHANNELS,
        dim=96,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=3,
        n_kv_heads=3,
        cap_feat_dim=_TEXT_WIDTH,
        axes_dims=[8, 12, 12],
        axes_lens=[1536, 512, 512],
    )


def _text_encoder(tokens: int) -> Any:
    return Qwen3Model(
        Qwen3Config(
            vocab_size=tokens,
            hidden_size=_TEXT_WIDTH,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=1024,
        )
    )


def _autoencoder() -> Any:
    """Return the decoder: four levels, so that sizes are multiples of 16 as at full size."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 32),
        layers_per_block=1,
        latent_channels=_LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=1024,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


if __name__ == "__main__":
    build_tiny_model(Path(sys.argv[1]))
