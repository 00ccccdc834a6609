"""Pictures with different adapters at the same time: each equals the stock pipeline's with exactly its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.runtime.custom_weights import CustomWeights, load_adapters, use_adapters
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.step_scheduler import STAY_STEPS
from consumer.jobs import Adapter, Lane
from consumer.settings import EngineSettings
from schemas import Reason
from tests.support.denoising import DenoiserSession, keeping_latents, psnr, stock
from tests.support.samples import recipe_of

CPU = torch.device("cpu")
INK, WASH = Adapter("ink", "a" * 64), Adapter("wash", "b" * 64, 0.5)


ADAPTED = {
    "ink": [f"layers.{layer}.attention.to_{part}" for layer in (0, 1) for part in "qv"],
    "wash": [
        *(
            f"layers.1.{part}"
            for part in ("attention.to_k", "attention.to_out.0", "feed_forward.w1", "feed_forward.w2")
        ),
        *(f"{block}.0.feed_forward.w3" for block in ("noise_refiner", "context_refiner")),
        *("layers.0.adaLN_modulation.0", "all_x_embedder.2-1", "all_final_layer.2-1.linear", "cap_embedder.1"),
    ],
}
"""The layers that each adapter changes: parts of joint products, and all others there are."""


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tiny model with two adapters that visibly change the picture."""
    folder = tmp_path_factory.mktemp("loras")
    generator = torch.Generator().manual_seed(1)
    pipeline = load_pipeline(tiny_model, CPU)
    layers = dict(pipeline.transformer.named_modules())
    for name, modules in ADAPTED.items():
        weights = {}
        for module in modules:
            rows, columns = layers[module].weight.shape
            weights[f"{module}.lora_A.weight"] = torch.randn(4, columns, generator=generator)
            weights[f"{module}.lora_B.weight"] = torch.randn(rows, 4, generator=generator) / 4
        save_file(weights, folder / f"{name}.safetensors")
    return Model(pipeline, CPU, EngineSettings(), CustomWeights(adapters=load_adapters(pipeline.transformer, folder)))


def test_each_picture_has_its_own_adapters(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preempting each other, pictures have the stock pipeline's fp32 latents with just their own adapters, to 1e-4."""
    combinations = [(), (INK,), (INK, WASH), (Adapter("ink", "a" * 64, -0.5),), ()]
    recipes = [recipe_of(adapters=adapters, steps=4, seed=seed) for seed, adapters in enumerate(combinations)]
    session = DenoiserSession(model)
    with keeping_latents(monkeypatch) as latents:
        session.take(*recipes, lane=Lane.BACKFILL)
        session.work(2)
        session.take(recipe_of(adapters=(WASH,)), lane=Lane.INTERACTIVE, first=9)
        session.finish()
    painted = session.numbered(latents)
    for number, recipe in enumerate(recipes):
        use_adapters(model.transformer, recipe.adapters)
        assert float((painted[number] - stock(model, recipe)).abs().max()) < 1e-4
    assert float((painted[1] - painted[0]).abs().max()) > 0.1


def test_adapters_never_share_a_step_nor_thrash(model: Model) -> None:
    """Pictures with equal adapters step together, and active adapters stay for some steps while pictures need them."""
    session = DenoiserSession(model)
    session.take(*(recipe_of(adapters=((INK,), ())[seed % 2], seed=seed, steps=6) for seed in range(6)))
    session.finish()
    assert session.batches == [(0, 2, 4), (1, 3, 5)]
    assert STAY_STEPS > 6


def test_an_adapter_that_was_not_loaded_fails_its_picture_only(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe for another worker's adapter folder fails as transient; the others are painted."""
    session = DenoiserSession(model)
    session.take(recipe_of(adapters=(Adapter("unknown", "c" * 64),)), recipe_of())
    session.finish()
    assert sorted(session.pictures) == [1]
    assert (session.failures[0].reason, session.failures[0].transient) == (Reason.ENGINE_FAILED, True)
    assert "No adapter unknown" in capsys.readouterr().err


def test_a_failed_switch_is_repeated(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a switch that failed halfway, a picture without adapters is painted without any."""
    alone = DenoiserSession(model)
    alone.take(recipe_of())
    plain = alone.finish().pictures[0]

    def torn() -> None:
        raise RuntimeError("torn")

    session = DenoiserSession(model)
    with monkeypatch.context() as patch:
        patch.setattr(model.transformer, "enable_adapters", torn)
        session.take(recipe_of(adapters=(INK,)))
        session.finish()
    session.take(recipe_of(), first=1)
    assert list(session.finish().failures) == [0]
    assert psnr(session.pictures[1], plain) > 60
