"""A model's compiled parts: how they are made, and how they are painted with."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch

from consumer.engine.runtime.compiling import compile_decode_pass, compile_kernels
from consumer.engine.runtime.decoder import DecodePass, decode_pass
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.side_queue import SideQueue
from consumer.settings import MemoryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.engine.runtime.forward.choice import Forward
    from consumer.engine.runtime.model import Model

_LATENTS: Final = (12, 20)
"""Rows and columns of what is compiled with: unlike each other, the batches and the channels, so that no graph holds
only where two of them are equal."""

_PROMPT_TOKENS: Final = (7, 20, 32, 40, 70)
"""With padding and without, as the transformer pads to multiples of 32."""

_SWITCH_SECONDS: Final = 0.0002
"""How long Python may compile before the painting thread has its turn: it asks for one at every operation."""

_MOST_LEVELS_APART: Final = 4.0
"""Most that a compiled picture of noise may differ on average, of 255: rounding in bf16 makes single levels, a wrong
graph another picture."""


class CompiledParts(NamedTuple):
    """What a model can paint with once it is compiled; `forward` is None where nothing of that is compiled."""

    whole: DecodePass
    forward: Forward | None

    @property
    def words(self) -> str:
        """The parts, for a log line."""
        return "decoder, kernels" if self.forward else "decoder"


class CompiledForward:
    """A forward pass with compiled kernels. It never compiles: what has no graph is computed without one."""

    def __init__(self, forward: PackedForward) -> None:
        self.condition = _without_compiling(forward.condition)
        self.flows = _without_compiling(forward.flows)


@torch.no_grad()
def compile_parts(model: Model) -> CompiledParts:
    """Compile all graphs that painting needs, and use each once. Takes seconds to minutes; any thread may call it.

    Raises whatever a compiler raises, and RuntimeError if weights move or the compiled decoder paints another picture.
    """
    if model.placement.policy is not MemoryPolicy.RESIDENT:
        raise RuntimeError("the weights do not stay on the device")
    with _switching_often(), SideQueue(model.device).beside():
        whole = compile_decode_pass()
        for pictures in (1, 2):
            _require_alike(model, whole, pictures)
        forward = _compile_forward(model, plain) if (plain := model.plain_forward) else None
    return CompiledParts(_without_compiling(whole), forward)


def take_over(model: Model, parts: CompiledParts) -> bool:
    """Paint with compiled parts from now on; return False if weights have begun to move, for which they are not made.

    Call it on the thread that paints, between two units of work.
    """
    if model.placement.policy is not MemoryPolicy.RESIDENT:
        return False
    model.decode_pass = parts.whole
    model.forward = parts.forward or model.forward
    return True


def _require_alike(model: Model, whole: DecodePass, pictures: int) -> None:
    generator = torch.Generator("cpu").manual_seed(pictures)
    noise = torch.randn(pictures, model.channels, *_LATENTS, generator=generator).to(model.device)
    usual, compiled = decode_pass(model.vae, noise)[0], whole(model.vae, noise)[0]
    apart = float((usual.float() - compiled.float()).abs().mean())
    if apart > _MOST_LEVELS_APART:
        raise RuntimeError(f"the compiled decoder paints another picture: {apart:.0f} of 255 levels apart")


def _compile_forward(model: Model, plain: PackedForward) -> CompiledForward:
    forward = plain.with_kernels(compile_kernels(PLAIN))
    rows, columns = (side // model.geometry.patch for side in _LATENTS)
    latents = torch.zeros(model.channels, *_LATENTS, dtype=model.dtype, device=model.device)
    width = model.transformer.config.cap_feat_dim
    prompts = [torch.zeros(tokens, width, dtype=model.dtype, device=model.device) for tokens in _PROMPT_TOKENS]
    conditioned = [forward.condition(prompt, rows, columns) for prompt in prompts]
    times = torch.zeros(len(conditioned), device=model.device)
    for together in ([conditioned[0]], conditioned[1:2], conditioned[:2], conditioned):
        forward.flows([latents] * len(together), times[: len(together)], together)
    return CompiledForward(forward)


def _without_compiling(compiled: Any) -> Any:
    """Return the callable such that it uses the graphs it has and never compiles another."""
    return torch.compiler.set_stance("eager_on_recompile")(compiled)


@contextmanager
def _switching_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
