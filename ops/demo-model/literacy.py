"""Before painting, reading: the text encoder learns to tell a scene's attributes from its captions.

Text is cheap and pictures are dear. An encoder that already knows that a ferry is a boat, in both languages, leaves the
transformer nothing to learn but painting.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from captions import LANGUAGES, complete_prompt, loose_prompt
from model import TEXT_WIDTH, encode
from optim import Muon
from scenes import ATTRIBUTES, CHOICES, random_scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STEPS = 500
_BATCH = 64
_MUON_RATE, _ADAM_RATE = 3e-3, 3e-3


def teach_to_read(encoder: Any, tokenizer: Any, file: Path, say: Callable[[str], None]) -> None:
    """Train the encoder so that a caption's last token tells all of it; once: later runs read `file`."""
    if file.exists():
        encoder.load_state_dict(torch.load(file, weights_only=True))
        return
    answers = nn.ModuleDict({name: nn.Linear(TEXT_WIDTH, len(CHOICES[name])) for name in ATTRIBUTES})
    matrices = [weight for weight in encoder.layers.parameters() if weight.ndim == 2]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in (*encoder.parameters(), *answers.parameters()) if id(weight) not in chosen]
    optimizers = (Muon(matrices, _MUON_RATE), torch.optim.AdamW(rest, _ADAM_RATE, weight_decay=0.01))
    rng = Random(11)
    for step in range(_STEPS):
        for optimizer, usual in zip(optimizers, (_MUON_RATE, _ADAM_RATE), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = usual * min(1.0, (step + 1) / 20, (_STEPS - step) / (_STEPS / 2))
        loss = _loss(encoder, tokenizer, answers, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if step % 50 == 49:
            say(f"reading step {step + 1} of {_STEPS} loss {loss.item() / len(ATTRIBUTES):.3f}")
    torch.save(encoder.state_dict(), file)


def _loss(encoder: Any, tokenizer: Any, answers: nn.ModuleDict, rng: Random) -> torch.Tensor:
    scenes = [random_scene(rng) for _ in range(_BATCH)]
    prompts = [(complete_prompt if rng.random() < 0.7 else loose_prompt)(s, rng, rng.choice(LANGUAGES)) for s in scenes]
    last = torch.stack([features[-1] for features in encode(tokenizer, encoder, prompts)])
    read = functional.rms_norm(last, (TEXT_WIDTH,))
    losses = [
        functional.cross_entropy(
            answers[name](read), torch.tensor([CHOICES[name].index(getattr(scene, name)) for scene in scenes])
        )
        for name in ATTRIBUTES
    ]
    return torch.stack(losses).sum()
