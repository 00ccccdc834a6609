"""Train the house style over the finished model: `python ops/demo-model/house.py --minutes 10`.

What comes out is a LoRA of the transformer's attention and feed-forward matrices. The model's own weights stay as they
are; `checkpoint.py` makes a whole checkpoint of both when one is wanted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import ZImagePipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from torch.nn import functional

from autoencoder import to_tensor
from averaging import Clock, rate
from captions import LANGUAGES, complete_prompt, loose_prompt, negative_prompts
from model import SUMS, encode
from painter import at_times, tell_way
from palette import printed, share_in_palette
from scenes import Scene, draw, random_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

NAME = "two-colour"
"""What the LoRA is called, so that styles may name it."""

_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3"]
_RANK = 8
_RATE = 4e-3
_WITHOUT_CAPTION = 0.11
_SHELVES = ((128, 640, 16, 0.7), (256, 160, 4, 0.3))  # pixels a side, scenes, batch, share of the steps


@dataclass(frozen=True, slots=True)
class Prints:
    """Latents of printed scenes of one size (count, channels, rows, columns), and how many make a batch."""

    latents: torch.Tensor
    scenes: list[Scene]
    batch: int


def main() -> None:
    """Train, write the LoRA and its hash, and say how much of the pictures is of the two colours, before and after."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--model", type=Path, default=Path(__file__).with_name("model"))
    asked.add_argument("--out", type=Path, default=Path(__file__).with_name("house"))
    asked.add_argument("--minutes", type=float, default=10)
    options = asked.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    torch.manual_seed(1)
    pipeline = ZImagePipeline.from_pretrained(options.model, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    before = share_in_palette(_samples(pipeline))
    train_house(pipeline, options.minutes, _say)
    save_house(pipeline.transformer, options.out)
    _say(f"share of paper and ink: {before:.3f} before, {share_in_palette(_samples(pipeline)):.3f} with the LoRA")


def train_house(pipeline: Any, minutes: float, say: Callable[[str], None]) -> None:
    """Put a LoRA into the pipeline's transformer and train it for that long."""
    rng = Random(7)
    shelves = [_prints(pipeline.vae, rng, *shape) for *shape, _ in _SHELVES]
    say("scenes are drawn and printed")
    pipeline.transformer.requires_grad_(requires_grad=False)
    pipeline.transformer.add_adapter(LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=_TARGETS), NAME)
    weights = [weight for weight in pipeline.transformer.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, _RATE, betas=(0.9, 0.98), weight_decay=0.0)
    clock, losses = Clock(minutes), []
    while (share := clock.tick()) < 1:
        for group in optimizer.param_groups:
            group["lr"] = _RATE * rate(share, warm=0.05, hold=0.4)
        optimizer.zero_grad(set_to_none=True)
        shelf = rng.choices(shelves, [share for *_, share in _SHELVES])[0]
        loss = _loss(pipeline, shelf, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if len(losses) % 20 == 0:
            say(f"house step {len(losses)} minute {clock.minutes:.1f} loss {np.mean(losses[-20:]):.4f}")


def save_house(transformer: Any, folder: Path) -> None:
    """Write the LoRA in half precision under the names that diffusers and PEFT give it, with its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(transformer, adapter_name=NAME)
    file = folder / f"{NAME}.safetensors"
    save_file({f"transformer.{name}": weight.bfloat16().contiguous() for name, weight in state.items()}, file)
    (folder / SUMS).write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")


def _prints(autoencoder: Any, rng: Random, side: int, count: int, batch: int) -> Prints:
    """Return so many scenes as prints; they are drawn flat, whatever their style: a print keeps shapes alone."""
    scenes = [random_scene(rng) for _ in range(count)]
    pictures = [np.asarray(printed(draw(replace(scene, style="illustration"), side, side))) for scene in scenes]
    with torch.no_grad():
        latents = [
            autoencoder.encode(to_tensor(np.stack(pictures[start : start + 16]))).latent_dist.mode()
            for start in range(0, count, 16)
        ]
    settings = autoencoder.config
    return Prints((torch.cat(latents) - settings.shift_factor) * settings.scaling_factor, scenes, batch)


def _loss(pipeline: Any, shelf: Prints, rng: Random) -> torch.Tensor:
    """Return the error of the way back from noise, as when the model itself learnt."""
    picks = rng.sample(range(len(shelf.scenes)), shelf.batch)
    with torch.no_grad():
        features = encode(
            pipeline.tokenizer, pipeline.text_encoder, [_caption(shelf.scenes[pick], rng) for pick in picks]
        )
    latents = shelf.latents[picks]
    mixed, sigma, way = at_times(latents)
    return functional.mse_loss(tell_way(pipeline.transformer, mixed, sigma, features), way)


def _caption(scene: Scene, rng: Random) -> str:
    if rng.random() < _WITHOUT_CAPTION:
        return rng.choice(("", *negative_prompts()))
    return (complete_prompt if rng.random() < 0.7 else loose_prompt)(scene, rng, rng.choice(LANGUAGES))


def _samples(pipeline: Any) -> list[Image.Image]:
    rng = Random(5)
    prompts = [complete_prompt(random_scene(rng, held_out=True), rng, "en") for _ in range(8)]
    pictures: list[Image.Image] = pipeline(
        prompt=prompts,
        negative_prompt=[negative_prompts()[0]] * len(prompts),
        height=128,
        width=128,
        num_inference_steps=12,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(1),
    ).images
    return pictures


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
