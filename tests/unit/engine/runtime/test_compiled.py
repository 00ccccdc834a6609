"""Compiled decoder and arithmetic: one warm-up has all graphs, and pictures stay what they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from consumer.engine.runtime import compiled, compiling
from consumer.engine.runtime.compiled import CompiledParts, compile_parts, take_over
from consumer.engine.runtime.decoder import decode_pass
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.settings import EngineSettings, MemoryPolicy
from tests.support.denoising import DenoiserSession, psnr
from tests.support.samples import recipe_of

pytestmark = pytest.mark.slow

PROMPTS = ["a", "a quiet library", "a quiet library at dawn " * 2, "storm " * 12, "harbour " * 30]
"""Prompts of a few and of many tokens, on both sides of the model's multiples of 32."""

SIZES = list(itertools.product((96, 112, 128, 160), repeat=2))[1:]
"""Between the sizes at which torch with one thread takes another convolution, as it does on no GPU."""

SMALL = recipe_of(width=64, height=64, steps=1)
"""Beyond them."""

SAME_DB = 80.0


class Graphs:
    """A compiler that counts the graphs it is given and their calls, and needs nothing to be installed."""

    def __init__(self) -> None:
        self.made = 0
        self.calls = 0

    def __call__(self, graph: Any, _inputs: Any) -> Callable[..., Any]:
        self.made += 1

        def run(*arguments: Any) -> Any:
            self.calls += 1
            return graph.forward(*arguments)

        return run


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return Graphs()


@pytest.fixture(scope="module")
def model(tiny_model: Path, graphs: Graphs) -> Iterator[Model]:
    """A model that paints with its compiled parts."""
    torch._dynamo.reset()
    cpu = torch.device("cpu")
    model = Model(load_pipeline(tiny_model, cpu), cpu, EngineSettings())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "_BACKEND", graphs)
        parts = compile_parts(model)
    assert parts.words == "decoder, kernels"
    assert take_over(model, parts)
    yield model
    torch._dynamo.reset()


def test_nothing_is_compiled_in_service(model: Model, graphs: Graphs, tiny: Model) -> None:
    """Alone and in pairs, with guidance and without, of any size and prompt: the graphs are there, and are used.

    The pictures are those of the uncompiled parts.
    """
    made, calls = graphs.made, graphs.calls
    session, usual = DenoiserSession(model), DenoiserSession(tiny)
    for at, (prompt, scale) in enumerate(itertools.product(PROMPTS, (0.0, 2.0))):
        width, height = SIZES[at]
        alone = recipe_of(prompt=prompt, guidance_scale=scale, width=width, height=height, seed=at, steps=1)
        pair = recipe_of(width=width, height=height, guidance_scale=2.0 - scale, seed=at, steps=1)
        for each in (session, usual):
            each.take(alone, first=3 * at)
            each.finish()
            each.take(alone, pair, first=3 * at + 1)
            each.finish()
    assert not session.failures
    assert graphs.made == made
    assert graphs.calls >= calls + 20
    assert all(psnr(session.pictures[number], usual.pictures[number]) >= SAME_DB for number in usual.pictures)


def test_what_has_no_graph_is_painted_without_one(model: Model, graphs: Graphs, tiny: Model) -> None:
    """A decode that would need another graph waits for no compiler."""
    made = graphs.made
    usual, session = DenoiserSession(tiny), DenoiserSession(model)
    for each in (usual, session):
        each.take(SMALL)
        each.finish()
    assert graphs.made == made
    assert psnr(session.pictures[0], usual.pictures[0]) >= SAME_DB


def test_a_compiled_decode_that_does_not_fit_is_tiled(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, one by one, then in tiles, which are not compiled."""
    tried: list[int] = []

    def full(_vae: Any, latents: torch.Tensor) -> Any:
        tried.append(len(latents))
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "decode_pass", full)
    session = DenoiserSession(model)
    session.take(recipe_of(), recipe_of(seed=8))
    session.finish()
    assert sorted(session.pictures) == [0, 1]
    assert tried == [2, 1]


@pytest.mark.parametrize("part", ["decode_pass", "forward"])
def test_compiled_parts_that_fail_are_given_up(tiny: Model, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """An error of compiled code fails no picture: the step is taken again without, and all later ones are."""
    tried: list[str] = []

    def broken(*_arguments: Any) -> Any:
        tried.append(part)
        raise RuntimeError("a guard that no size meets")

    parts = {"decode_pass": partial(decode_pass), "forward": tiny.forward}
    parts[part] = broken if part == "decode_pass" else SimpleNamespace(condition=tiny.forward.condition, flows=broken)
    for name, each in parts.items():
        monkeypatch.setattr(tiny, name, each)
    session = DenoiserSession(tiny)
    session.take(recipe_of(), recipe_of(seed=8))
    session.finish()
    assert sorted(session.pictures) == [0, 1]
    assert tried == [part]
    assert tiny.decode_pass is decode_pass


def test_offloading_goes_back_to_uncompiled_parts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks that move weights are no part of a graph; a step that did not fit is taken without."""
    for name in ("decode_pass", "forward"):
        monkeypatch.setattr(model, name, getattr(model, name))  # and is put back
    monkeypatch.setattr(model.placement, "offload", lambda: True)
    assert model.offload()
    assert model.decode_pass is decode_pass
    assert isinstance(model.forward, PackedForward)


def test_weights_that_move_are_not_compiled_for(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """With offloading nothing is compiled, and what was compiled before is not taken over."""
    monkeypatch.setattr(tiny.placement, "policy", MemoryPolicy.OFFLOAD)
    with pytest.raises(RuntimeError, match="the weights do not stay on the device"):
        compile_parts(tiny)
    assert not take_over(tiny, CompiledParts(decode_pass, None))


def test_a_decoder_that_paints_something_else_is_refused(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilers have bugs: what is more than rounding off is not painted with."""

    def wrong(vae: Any, latents: torch.Tensor) -> Any:
        levels, finite = decode_pass(vae, latents)
        return levels.flip(1), finite

    monkeypatch.setattr(compiled, "compile_decode_pass", lambda: wrong)
    with pytest.raises(RuntimeError, match=r"the compiled decoder paints another picture: \d+ of 255 levels apart"):
        compile_parts(tiny)
