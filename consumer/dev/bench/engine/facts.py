"""What a device reaches with the model's own products, attention and parts: explains the figures, and has no bar."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, scaled_dot_product_attention

from consumer.dev.bench.engine.result import DeviceFact
from consumer.dev.bench.engine.timing import measured, synchronize
from consumer.engine.runtime.decoder import decode
from consumer.engine.runtime.forward.attention import Segments, attend
from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.text_encoder import encode

TOKENS = (1088, 2176, 4160, 17_408)
"""Tokens of a step: 512x512 alone and with guidance, 1024x1024 alone, eight of 512x512 with guidance."""
ATTENDED = ((1, 4160), (2, 1088), (16, 1088))
"""Sequences and tokens of each."""
MIXED = (1088, 1056, 1600, 1568, 2368)
"""Tokens of sequences of several sizes."""
SIDES = (512, 1024)

_BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION)
_TRIES = 5
_PROMPT_TOKENS = 60
_PROMPTS = (1, 8)
_MASKED = 32


def environment(device: torch.device) -> dict[str, str]:
    """Return what torch knows of a GPU; {} elsewhere."""
    if device.type != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "device": f"{torch.cuda.get_device_name(device)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free",
        "cuda": f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",  # type: ignore[no-untyped-call]  # torch leaves it untyped
    }


@torch.no_grad()
def device_facts(
    model: Model,
    tokens: Sequence[int] = TOKENS,
    attended: Sequence[tuple[int, int]] = ATTENDED,
    mixed: Sequence[int] = MIXED,
    sides: Sequence[int] = SIDES,
) -> tuple[DeviceFact, ...]:
    """Measure all facts, each the best of a few tries. What a device cannot do is left out."""
    return (
        *_products(model, tokens),
        *_attention(model, attended),
        *_varlen(model, mixed),
        *_forwards(model, sides),
        *_parts(model, sides),
    )


def _products(model: Model, tokens: Sequence[int]) -> Iterator[DeviceFact]:
    config, hidden = model.transformer.config, model.transformer.layers[0].feed_forward.w1.weight.shape[0]
    outputs = {"q, k, v": 3 * config.dim, "attention out": config.dim, "w1, w3": 2 * hidden}
    shapes = [(name, out, config.dim) for name, out in outputs.items()] + [("w2", config.dim, hidden)]
    for count in tokens:
        for name, out, width in shapes:
            x, weight = _drawn(model, count, width), _drawn(model, out, width)
            seconds = _best(model.device, partial(linear, x, weight))
            yield _rate(f"product {name}, {count} tokens", 2 * count * out * width, seconds)


def _attention(model: Model, attended: Sequence[tuple[int, int]]) -> Iterator[DeviceFact]:
    for sequences, tokens in attended:
        heads_first = [each.transpose(1, 2) for each in _heads(model, sequences, tokens)]
        mask = torch.ones(sequences, 1, 1, tokens, dtype=torch.bool, device=model.device)
        mask[0, ..., -_MASKED:] = False
        for suffix, bias in (("", None), (", masked", mask)):
            for name, backend in _backends():
                seconds = _attended(model.device, heads_first, bias, backend)
                if seconds is not None:
                    what = f"attention {sequences} x {tokens} tokens{suffix}, {name}"
                    yield _rate(what, sequences * _attention_operations(model, tokens), seconds)


def _backends() -> Iterator[tuple[str, Callable[[], AbstractContextManager[None]]]]:
    yield "torch's choice", nullcontext
    for backend in _BACKENDS:
        yield backend.name.lower().removesuffix("_attention"), partial(sdpa_kernel, backend)


def _attended(
    device: torch.device,
    heads_first: Sequence[torch.Tensor],
    mask: torch.Tensor | None,
    backend: Callable[[], AbstractContextManager[None]],
) -> float | None:
    """Return the seconds of attention with a backend, None if it cannot do it."""
    query, key, value = heads_first
    try:
        with backend():
            return _best(device, partial(scaled_dot_product_attention, query, key, value, mask))
    except RuntimeError:  # torch's only word for it
        return None


def _varlen(model: Model, lengths: Sequence[int]) -> Iterator[DeviceFact]:
    query, key, value = (each[0] for each in _heads(model, 1, sum(lengths)))
    segments = Segments.of(lengths, model.device)
    seconds = _best(model.device, lambda: attend(query, key, value, segments))
    operations = sum(_attention_operations(model, length) for length in lengths)
    yield _rate(f"attention of {len(lengths)} packed sequences, {sum(lengths)} tokens", operations, seconds)


def _forwards(model: Model, sides: Sequence[int]) -> Iterator[DeviceFact]:
    """Time one picture through either forward pass: when the device is done, and when the host has launched it."""
    forwards: dict[str, Forward] = {"diffusers": StockForward(model.transformer), "ours": model.forward}
    for side in sides:
        rows, columns = model.geometry.tokens(side, side)
        latents = _drawn(model, model.channels, *model.geometry.latents(side, side))
        for name, forward in forwards.items():
            conditioning = forward.condition(_embedding(model), rows, columns)
            launch = _launch(forward, latents, conditioning)
            yield _milliseconds(f"forward pass of {name}, {side}x{side}", _best(model.device, launch))
            yield _milliseconds(f"launch of it by the host, {name}, {side}x{side}", _host(model.device, launch))


def _launch(forward: Forward, latents: torch.Tensor, conditioning: Any) -> Callable[[], object]:
    times = torch.zeros(1, device=latents.device)
    return lambda: forward.flows([latents], times, [conditioning])


def _parts(model: Model, sides: Sequence[int]) -> Iterator[DeviceFact]:
    for prompts in _PROMPTS:
        texts = [range(_PROMPT_TOKENS)] * prompts
        seconds = _best(model.device, partial(encode, model.pipeline.text_encoder, texts, model.device))
        yield _milliseconds(f"text encoder, {prompts} x {_PROMPT_TOKENS} tokens", seconds)
    for side in sides:
        latents = torch.randn(model.channels, *model.geometry.latents(side, side), device=model.device)
        seconds = _best(model.device, partial(decode, model.vae, [latents]))
        yield _milliseconds(f"decoder, {side}x{side}", seconds)


def _heads(model: Model, sequences: int, tokens: int) -> list[torch.Tensor]:
    heads, width = model.transformer.config.n_heads, model.transformer.config.dim
    return [_drawn(model, sequences, tokens, heads, width // heads) for _ in range(3)]


def _attention_operations(model: Model, tokens: int) -> int:
    width: int = model.transformer.config.dim
    return 4 * tokens * tokens * width


def _embedding(model: Model) -> torch.Tensor:
    return _drawn(model, _PROMPT_TOKENS, model.transformer.config.cap_feat_dim)


def _drawn(model: Model, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, device=model.device, dtype=model.dtype)


def _best(device: torch.device, work: Callable[[], object]) -> float:
    """Return the least seconds of a few tries, the first one not counted."""
    work()
    return min(measured(device, work).seconds for _ in range(_TRIES))


def _host(device: torch.device, work: Callable[[], object]) -> float:
    """Return the least seconds until the call returns, on an idle device."""
    seconds = []
    for _ in range(_TRIES):
        synchronize(device)
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def _rate(what: str, operations: int, seconds: float) -> DeviceFact:
    return DeviceFact(what, operations / seconds / 1e12, "TFLOP/s")


def _milliseconds(what: str, seconds: float) -> DeviceFact:
    return DeviceFact(what, 1e3 * seconds, "ms")
