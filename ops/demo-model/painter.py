"""Stage 2: text encoder and transformer learn together, by flow matching, to paint what a caption says."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from autoencoder import build_autoencoder
from averaging import Average, Clock, rate
from captions import LANGUAGES, complete_prompt, loose_prompt, negative_prompts
from model import SHIFT, assemble, build_text_encoder, build_transformer, encode
from optim import Muon
from scenes import random_scene, subject_frame
from sheets import sheet
from speed import quick_products
from tokens import as_chat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from codec import Basis
    from scenes import Scene

_WITHOUT_CAPTION = 0.11
_POOL = 8
_LONGEST_CAPTION = 96
_MUON_RATE, _ADAM_RATE = 4e-3, 2e-3
_WARM_STEPS = 100  # a run whose optimizers are new finds their pace first
_SUBJECT_COUNTS = 3.0
_EVENLY = 0.3
_USUAL_PLACES = 16 * 16
_EDGE = 8


@dataclass(frozen=True, slots=True)
class Shelf:
    """Latents of one picture size (count, channels, rows, columns), their scenes, how many make a batch, how often.

    `first` and `last` are the shares of all steps that this size gets in the first and in the last third.
    """

    latents: NDArray[np.float16]
    scenes: list[Scene]
    batch: int
    first: float
    last: float


@dataclass(slots=True)
class Painter:
    """All that is trained here, and where the training is."""

    transformer: Any
    encoder: Any
    tokenizer: Any
    average: Average
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]
    clock: Clock
    step: int = 0

    def save(self, file: Path) -> None:
        """Write everything that a later run needs to go on."""
        state = {
            "transformer": self.transformer.state_dict(),
            "encoder": self.encoder.state_dict(),
            "shadow": self.average.shadow,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "minutes": self.clock.minutes,
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def load(self, file: Path) -> None:
        """Go on from what an earlier run wrote."""
        state = torch.load(file, weights_only=True)
        self.transformer.load_state_dict(state["transformer"])
        self.encoder.load_state_dict(state["encoder"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.average.shadow = state["shadow"]
        self.step = self.average.count = state["step"]
        self.clock.minutes = state["minutes"]


def open_painter(tokenizer: Any, file: Path, minutes: float) -> Painter:
    """Return the painter as the last run left it, or a new one."""
    transformer, encoder = build_transformer(), build_text_encoder(len(tokenizer))
    weights = [*transformer.parameters(), *encoder.parameters()]
    inner = [*transformer.layers, *transformer.noise_refiner, *transformer.context_refiner, *encoder.layers]
    matrices = [
        weight
        for block in inner
        for name, weight in block.named_parameters()
        if weight.ndim == 2 and "adaLN" not in name
    ]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in weights if id(weight) not in chosen]
    optimizers = (Muon(matrices, _MUON_RATE), torch.optim.AdamW(rest, _ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.01))
    painter = Painter(transformer, encoder, tokenizer, Average(weights, 0.998), optimizers, Clock(minutes))
    if file.exists():
        painter.load(file)
    return painter


def train_painter(
    painter: Painter, shelves: list[Shelf], basis: Basis, folder: Path, say: Callable[[str], None]
) -> None:
    """Train until the clock's budget is used."""
    rng, losses, sheets = Random(painter.step), [], int(painter.clock.minutes // 10)
    share, begin = painter.clock.tick(), painter.step
    batches = _batches(shelves, painter, rng)
    while share < 1:
        pace = rate(share, hold=0.72, floor=0.03) * min(1.0, (painter.step - begin + 1) / _WARM_STEPS)
        losses.append(_learn(painter, *next(batches), pace))
        painter.step += 1
        share = painter.clock.tick()
        if painter.step % 25 == 0:
            say(f"painter step {painter.step} minute {painter.clock.minutes:.1f} loss {np.mean(losses[-25:]):.4f}")
        if painter.step % 50 == 0 or share >= 1:
            painter.save(folder / "painter.pt")
        if painter.clock.minutes // 10 > sheets:
            sheets = int(painter.clock.minutes // 10)
            sample_sheet(painter, basis, folder / f"samples-{painter.step:05}.png")


def sample_sheet(painter: Painter, basis: Basis, file: Path) -> None:
    """Paint a dozen fixed prompts with the averaged weights; the decoder may not have learnt yet, so do without."""
    rng = Random(5)
    scenes = [random_scene(rng, held_out=True) for _ in range(12)]
    prompts = [complete_prompt(scene, rng, LANGUAGES[index % 2]) for index, scene in enumerate(scenes)]
    painter.average.swap()
    pipeline = assemble(painter.transformer, painter.encoder, painter.tokenizer, build_autoencoder(basis))
    pictures = []
    for size, count in ((128, 12), (256, 6)):
        latents = pipeline(
            prompt=prompts[:count],
            negative_prompt=[negative_prompts()[0]] * count,
            height=size,
            width=size,
            num_inference_steps=12,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(1),
            output_type="latent",
        ).images
        pictures += [Image.fromarray(picture) for picture in basis.restore(latents.numpy())]
    painter.average.swap()
    sheet(pictures, 6).save(file)
    file.with_suffix(".txt").write_text("\n".join(prompts) + "\n")


def _batches(
    shelves: list[Shelf], painter: Painter, rng: Random
) -> Iterator[tuple[torch.Tensor, list[Scene], list[str]]]:
    """Yield latents, scenes and captions for ever; captions of one batch are of like length: little is padding."""
    while True:
        # What a word looks like is learnt from many small pictures; at three times the price of each, size comes later.
        late = min(1.0, max(0.0, painter.clock.minutes / painter.clock.budget - 0.65) / 0.15)
        weights = [shelf.first + (shelf.last - shelf.first) * late for shelf in shelves]
        shelf = rng.choices(shelves, weights)[0]
        picks = rng.choices(range(len(shelf.scenes)), k=shelf.batch * _POOL)
        texts = [_caption(shelf.scenes[pick], rng, painter.tokenizer) for pick in picks]
        pairs = sorted(zip(picks, texts, strict=True), key=lambda pair: -(-pair[1][1] // 32))
        groups = [pairs[start : start + shelf.batch] for start in range(0, len(pairs), shelf.batch)]
        rng.shuffle(groups)
        for group in groups if shelf is shelves[0] else groups[:2]:
            latents = torch.from_numpy(shelf.latents[[pick for pick, _ in group]]).float()
            yield latents, [shelf.scenes[pick] for pick, _ in group], [text for _, (text, _) in group]


def _caption(scene: Scene, rng: Random, tokenizer: Any) -> tuple[str, int]:
    """Return a caption, or what stands for none, and its length in tokens."""
    while True:
        if rng.random() < _WITHOUT_CAPTION:
            text = "" if rng.random() < 0.4 else rng.choice(negative_prompts())
        else:
            say = complete_prompt if rng.random() < 0.65 else loose_prompt
            text = say(scene, rng, rng.choice(LANGUAGES))
        length = len(tokenizer(as_chat(tokenizer, text)).input_ids)
        if length <= _LONGEST_CAPTION:
            return text, length


def _emphasis(scenes: list[Scene], latents: torch.Tensor) -> torch.Tensor:
    """Return how much each place of the latents counts: (count, 1, rows, columns), 1 on average.

    A subject is a tenth of the picture and most of what a caption says; skies and grounds are learnt long before it.
    """
    count, _, rows, columns = latents.shape
    counts = torch.ones(count, 1, rows, columns)
    for row, scene in zip(counts, scenes, strict=True):
        left, top, right, low = (round(edge / _EDGE) for edge in subject_frame(scene, columns * _EDGE, rows * _EDGE))
        row[:, max(0, top) : low + 1, max(0, left) : right + 1] = _SUBJECT_COUNTS
    return counts / counts.mean()


def _learn(painter: Painter, latents: torch.Tensor, scenes: list[Scene], prompts: list[str], pace: float) -> float:
    """Take one step, `pace` times as long as usual: from noise mixed into the latents, the model tells the way back."""
    for optimizer, usual in zip(painter.optimizers, (_MUON_RATE, _ADAM_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = usual * pace
        optimizer.zero_grad(set_to_none=True)
    mixed, sigma, way = at_times(latents)
    with quick_products():
        features = encode(painter.tokenizer, painter.encoder, prompts)
    told = tell_way(painter.transformer, mixed, sigma, features)
    errors = functional.mse_loss(told, way, reduction="none")
    loss = (errors * _emphasis(scenes, latents)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(painter.average.weights, 1.0)
    with quick_products():
        for optimizer in painter.optimizers:
            optimizer.step()
    painter.average.update()
    return float(loss.detach())


def tell_way(transformer: Any, mixed: torch.Tensor, sigma: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
    """Return the way back from what `at_times` mixed, as the model tells it: of the latents' shape, in float32."""
    with quick_products():
        told = transformer(list(mixed.unsqueeze(2).unbind()), 1 - sigma, features, return_dict=False)[0]
    return torch.stack(told).squeeze(2).float()


def at_times(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the latents with noise mixed in, how much (count, from 0 to 1), and the way back that is to be told.

    Three times in ten a time is drawn evenly, as painting takes its steps. The others are logit-normal and shifted by
    the picture's size: of twice the side, the same shapes show through twice the noise (Esser et al. 2024, 5.3.2).
    """
    noise = torch.randn_like(latents)
    count, _, rows, columns = latents.shape
    even = torch.rand(count) < _EVENLY
    drawn = torch.where(even, torch.rand(count), torch.randn(count).sigmoid())
    shift = torch.where(even, SHIFT, SHIFT * (rows * columns / _USUAL_PLACES) ** 0.5)
    sigma = shift * drawn / (1 + (shift - 1) * drawn)
    share = sigma[:, None, None, None]
    return (1 - share) * latents + share * noise, sigma, latents - noise
