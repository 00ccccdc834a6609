"""Counted operations equal those that the layers' sizes give."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from consumer.dev.bench.engine.flops import FlopCounter
from consumer.engine.runtime.geometry import padded
from consumer.engine.runtime.model import Model
from tests.support.samples import recipe_of

WITHIN = 0.01


def block(config: Any, tokens: int, *, modulated: bool) -> int:
    """A block of the transformer: projections, attention, gated feed-forward, modulation."""
    width, hidden = config.dim, int(config.dim / 3 * 8)
    modulation = 2 * min(width, 256) * 4 * width if modulated else 0
    return int(8 * tokens * width**2 + 4 * tokens**2 * width + 6 * tokens * width * hidden + modulation)


def transformer(config: Any, picture: int, prompt: int) -> int:
    """The whole transformer over so many tokens, each kind filled up."""
    width, patch, narrow = config.dim, 4 * config.in_channels, min(config.dim, 256)
    picture, prompt = padded(picture), padded(prompt)
    embedders = 2 * picture * patch * width + 2 * prompt * config.cap_feat_dim * width
    time = 2 * (256 * 1024 + 1024 * narrow)
    refiners = config.n_refiner_layers * (
        block(config, picture, modulated=True) + block(config, prompt, modulated=False)
    )
    layers = config.n_layers * block(config, picture + prompt, modulated=True)
    return int(embedders + time + refiners + layers + 2 * (picture + prompt) * width * patch + 2 * narrow * width)


def text_encoder(config: Any, tokens: int) -> int:
    """All layers of the text encoder; attention is counted whole, as if it were not causal."""
    heads, shared = (count * config.head_dim for count in (config.num_attention_heads, config.num_key_value_heads))
    projections = 2 * tokens * config.hidden_size * (2 * heads + 2 * shared)
    layer = projections + 4 * tokens**2 * heads + 6 * tokens * config.hidden_size * config.intermediate_size
    return int(config.num_hidden_layers * layer)


def by_layers(vae: Any, latents: torch.Tensor) -> int:
    """What the decoder's convolutions and projections say of themselves, and its one attention."""
    counted: list[int] = []

    def conv(layer: Any, _inputs: Any, output: torch.Tensor) -> None:
        counted.append(2 * output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size))

    def linear(layer: Any, _inputs: Any, output: torch.Tensor) -> None:
        counted.append(2 * output.numel() * layer.in_features)

    hooks = [layer.register_forward_hook(conv) for layer in vae.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks += [layer.register_forward_hook(linear) for layer in vae.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        vae.decode(latents)
    for hook in hooks:
        hook.remove()
    return sum(counted) + int(4 * latents[0, 0].numel() ** 2 * vae.config.block_out_channels[-1])


@pytest.mark.parametrize(("width", "height", "tokens"), [(64, 64, 9), (128, 64, 40), (160, 160, 130)])
def test_the_transformer(tiny: Model, width: int, height: int, tokens: int) -> None:
    """A forward of the transformer is counted as its layers' sizes say, padding to 32 included."""
    picture = width * height // 256
    expected = transformer(tiny.transformer.config, picture, tokens)
    assert FlopCounter(tiny).transformer(width, height, tokens) == pytest.approx(expected, rel=WITHIN)


@pytest.mark.parametrize("tokens", [5, 77])
def test_the_text_encoder(tiny: Model, tokens: int) -> None:
    """A forward of the text encoder is counted as its layers' sizes say."""
    expected = text_encoder(tiny.pipeline.text_encoder.config, tokens)
    assert FlopCounter(tiny).text_encoder(tokens) == pytest.approx(expected, rel=WITHIN)


def test_the_decoder(tiny: Model) -> None:
    """Decoding is counted as every convolution by itself."""
    latents = torch.zeros(1, tiny.channels, 8, 12)
    assert FlopCounter(tiny).decoder(96, 64) == pytest.approx(by_layers(tiny.vae, latents), rel=WITHIN)


def test_a_picture_is_the_sum_of_its_parts(tiny: Model) -> None:
    """Guidance adds a second prompt and a second forward for each step; steps count each; nothing else does."""
    count = FlopCounter(tiny)
    bare, longer, guided = (
        count.picture(recipe_of(steps=steps, guidance_scale=scale, negative_prompt="a storm over the harbour"))
        for steps, scale in ((1, 0.0), (3, 0.0), (1, 2.0))
    )
    forward = (longer - bare) // 2
    assert bare - forward == count.decoder(64, 64) + (guided - bare - forward)
    assert forward > 0
