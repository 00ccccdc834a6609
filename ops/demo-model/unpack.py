"""Make a work folder of a finished model: `python ops/demo-model/unpack.py --work FOLDER --steps 18950 --minutes 422`.

So training goes on where only the weights are left.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import ZImagePipeline

from codec import read_encoder
from painter import open_painter


def main() -> None:
    """Write what `train.py` goes on from: tokenizer, basis and a checkpoint of either stage."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--model", type=Path, default=Path(__file__).with_name("model"))
    asked.add_argument("--work", type=Path, required=True, help="folder without checkpoints, for train.py")
    asked.add_argument("--steps", type=int, required=True, help="steps that the painter has taken")
    asked.add_argument("--minutes", type=float, required=True, help="minutes that they took")
    asked.add_argument("--decoder-steps", type=int, default=3236, help="steps that the decoder has taken")
    asked.add_argument("--decoder-minutes", type=float, default=27, help="minutes that they took")
    options = asked.parse_args()
    if list(options.work.glob("*.pt")):
        asked.error(f"{options.work} has checkpoints already: name another folder, or go on with train.py")
    options.work.mkdir(parents=True, exist_ok=True)
    unpack(ZImagePipeline.from_pretrained(options.model, torch_dtype=torch.float32), options)


def unpack(pipeline: Any, options: argparse.Namespace) -> None:
    """Write the pipeline's parts; optimizers are not kept in a model, so they begin anew."""
    work = options.work
    pipeline.tokenizer.save_pretrained(work / "tokenizer")
    read_encoder(pipeline.vae.encoder).save(work / "basis.npz")
    decoder = pipeline.vae.decoder
    kept = {"decoder": decoder.state_dict(), "shadow": [weight.detach() for weight in decoder.parameters()]}
    torch.save(
        {**kept, "optimizers": [], "step": options.decoder_steps, "minutes": options.decoder_minutes},
        work / "decoder.pt",
    )
    painter = open_painter(pipeline.tokenizer, work / "painter.pt", options.minutes)
    painter.transformer.load_state_dict(pipeline.transformer.state_dict())
    painter.encoder.load_state_dict(pipeline.text_encoder.state_dict())
    painter.average.reset()
    painter.step, painter.clock.minutes = options.steps, options.minutes
    painter.save(work / "painter.pt")


if __name__ == "__main__":
    main()
