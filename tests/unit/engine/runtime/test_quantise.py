"""The model with its large weights in fp8: what it paints, and what moves and frees its weights."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from diffusers.hooks import apply_group_offloading
from safetensors.torch import save_file

from consumer.engine.runtime import placement, quantise
from consumer.engine.runtime.custom_weights import CustomWeights, load_adapters
from consumer.engine.runtime.forward.fp8 import Fp8Linear
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.opening import open_model
from consumer.engine.runtime.placement import HEADROOM_BYTES, choose_policy, weights_of
from consumer.errors import Fatal
from consumer.jobs import Adapter, Recipe
from consumer.settings import EngineSettings, ForwardKind, MemoryPolicy, QuantizationKind
from schemas import Reason
from tests.support.denoising import DenoiserSession, psnr
from tests.support.samples import recipe_of

CPU = torch.device("cpu")
FP8 = EngineSettings(quantization=QuantizationKind.FP8)
INK = Adapter("ink", "a" * 64)
RECIPES = tuple(recipe_of(seed=seed, steps=4, width=64 + 32 * seed) for seed in range(3))

CLOSE_DB, ALONE_DB = 45, 48
"""How close pictures of the tiny model are to those of its whole weights, in company to alone; 3 dB less than seen."""


def adapter(folder: Path) -> Path:
    """Write a LoRA that visibly changes pictures, of layers in fp8 and others."""
    random, file = torch.Generator().manual_seed(1), folder / "ink.safetensors"
    weights = {}
    for module, rows, columns in (
        ("attention.to_q", 96, 96),
        ("attention.to_out.0", 96, 96),
        ("feed_forward.w1", 256, 96),
    ):
        weights[f"layers.1.{module}.lora_A.weight"] = torch.randn(4, columns, generator=random)
        weights[f"layers.1.{module}.lora_B.weight"] = torch.randn(rows, 4, generator=random) / 4
    save_file(weights, file)
    return file


def opened(folder: Path, lora: Path, settings: EngineSettings) -> Model:
    pipeline = load_pipeline(folder, CPU)
    return Model(pipeline, CPU, settings, CustomWeights(adapters=load_adapters(pipeline.transformer, lora)))


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter(tmp_path_factory.mktemp("lora"))


@pytest.fixture(scope="module")
def whole(tiny_model: Path, lora: Path) -> Model:
    """The tiny model as it was loaded."""
    return opened(tiny_model, lora, EngineSettings())


@pytest.fixture(scope="module")
def rounded(tiny_model: Path, lora: Path) -> Model:
    """The same in fp8."""
    return opened(tiny_model, lora, FP8)


def painted(model: Model, *recipes: Recipe) -> dict[int, Any]:
    session = DenoiserSession(model)
    session.take(*recipes)
    return session.finish().pictures


@pytest.mark.parametrize("adapters", [(), (INK,)])
def test_pictures_are_close_to_those_of_the_whole_weights(
    whole: Model, rounded: Model, adapters: tuple[Adapter, ...]
) -> None:
    """Other pixels, the same picture; an adapter over rounded layers is added as over whole ones."""
    recipes = [recipe_of(seed=seed, steps=4, adapters=adapters) for seed in range(3)]
    found, expected = painted(rounded, *recipes), painted(whole, *recipes)
    for number, picture in expected.items():
        assert CLOSE_DB < psnr(found[number], picture) < 60


def test_an_adapter_still_acts(rounded: Model) -> None:
    """It changes pictures by more than rounding does."""
    plain, inked = (painted(rounded, recipe_of(steps=4, adapters=adapters))[0] for adapters in ((), (INK,)))
    assert psnr(plain, inked) < CLOSE_DB - 10


def test_a_recipe_paints_the_same_pixels_again(rounded: Model) -> None:
    """Rounding draws nothing: twice the same company, twice the same bytes."""
    first, second = (painted(rounded, *RECIPES) for _ in range(2))
    assert all((first[number] == second[number]).all() for number in first)


def test_company_changes_as_little_as_rounding(rounded: Model) -> None:
    """Each token is quantised by itself, so that others in a step change what a product's order of summing does."""
    together = painted(rounded, *RECIPES)
    for number, recipe in enumerate(RECIPES):
        assert psnr(together[number], painted(rounded, recipe)[0]) > ALONE_DB


def test_the_forward_pass_of_diffusers_paints_with_it(tiny_model: Path, lora: Path, rounded: Model) -> None:
    """Layers in fp8 are modules like any other, adapters over them included."""
    stock = opened(tiny_model, lora, FP8.model_copy(update={"forward": ForwardKind.STOCK}))
    recipe = recipe_of(steps=4, adapters=(INK,))
    assert psnr(painted(stock, recipe)[0], painted(rounded, recipe)[0]) > ALONE_DB


def test_what_is_quantised(rounded: Model) -> None:
    """The feed-forward and the attention's output of the main layers; no embedder, refiner, modulation or norm."""
    names = {name for name, module in rounded.transformer.named_modules() if isinstance(module, Fp8Linear)}
    assert {name.removesuffix(".base_layer") for name in names} == {
        f"layers.{layer}.{part}"
        for layer in (0, 1)
        for part in ("attention.to_out.0", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
    }


def test_sides_that_no_gpu_multiplies_stay_as_they_are(transformer: Any) -> None:
    """A side that is no multiple of 16 would be refused by the product."""
    odd = transformer.layers[0].feed_forward.w2 = torch.nn.Linear(256, 90)
    quantise.quantise(transformer, PLAIN.quantise_rows)
    assert transformer.layers[0].feed_forward.w2 is odd
    assert isinstance(transformer.layers[1].feed_forward.w2, Fp8Linear)


def test_the_earlier_weights_are_freed(transformer: Any) -> None:
    """Nothing holds a weight once its layer is quantised."""
    held = [weakref.ref(layer.feed_forward.w1.weight) for layer in transformer.layers]
    quantise.quantise(transformer, PLAIN.quantise_rows)
    assert [each() for each in held] == [None, None]


def test_placement_counts_what_is_left(tiny_model: Path) -> None:
    """A card that the whole weights do not fit holds the rounded ones."""
    pipeline = load_pipeline(tiny_model, CPU)
    before = weights_of(pipeline)
    quantise.quantise(pipeline.transformer, PLAIN.quantise_rows)
    after = weights_of(pipeline)
    assert before["transformer"] - after["transformer"] > 2 * 3 * (96 * 96 + 3 * 96 * 256) - 2**14
    free = sum(after.values()) + HEADROOM_BYTES
    assert choose_policy(MemoryPolicy.AUTO, after, free) is MemoryPolicy.RESIDENT
    assert choose_policy(MemoryPolicy.AUTO, before, free) is not MemoryPolicy.RESIDENT


def test_hooks_move_it_part_by_part(transformer: Any) -> None:
    """With `offload` the transformer goes to the device and back with its rounded weights, whose dtype stays."""
    quantise.quantise(transformer, PLAIN.quantise_rows)
    _, hook = accelerate.cpu_offload_with_hook(transformer, torch.device("meta"))
    transformer._hf_hook.pre_forward(transformer)
    layer = transformer.layers[0].feed_forward.w2
    assert (layer.weight.device.type, layer.scale.device.type, layer.weight.dtype) == (
        *("meta", "meta"),
        torch.float8_e4m3fn,
    )
    accelerate.hooks.remove_hook_from_module(hook.model)


def test_hooks_move_it_layer_by_layer(transformer: Any) -> None:
    """With `group_offload` weight and scale have a hook that brings both before the layer's forward pass."""
    quantise.quantise(transformer, PLAIN.quantise_rows)
    apply_group_offloading(transformer, onload_device=CPU, offload_device=CPU, offload_type="leaf_level")
    layer = transformer.layers[0].feed_forward.w2
    group = layer._diffusers_hook.get_hook("group_offloading").group
    assert {id(each) for each in group.parameters} == {id(layer.weight), id(layer.scale)}
    assert layer(torch.ones(2, 256)).shape == (2, 96)


@pytest.fixture
def _no_fp8(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that multiplies no fp8, in torch's words."""

    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise RuntimeError(
            "torch._scaled_mm is only supported on CUDA devices with compute capability >= 9.0\nat x.cpp"
        )

    monkeypatch.setattr(torch, "_scaled_mm", refuse)


@pytest.mark.usefixtures("_no_fp8")
def test_a_device_without_fp8_ends_the_start(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is loaded, with the setting, torch's own reason and what to do; without the setting it starts."""
    monkeypatch.setattr("consumer.engine.runtime.opening.load_pipeline", None)
    settings = FP8.model_copy(update={"model": tiny_model})
    with pytest.raises(Fatal, match=r"LEADART_ENGINE__QUANTIZATION=fp8 .* cpu does not \(torch.*9\.0\)") as fatal:
        open_model(settings, "cpu")
    assert fatal.value.reason is Reason.MISCONFIGURED


def test_a_device_with_fp8_opens(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded, quantised, placed by what is left of its weights, warm."""
    monkeypatch.setattr("consumer.engine.runtime.opening.warm_up", lambda *_: None)
    seen, choose = list[Mapping[str, int]](), placement.choose_policy

    def choosing(configured: MemoryPolicy, parts: Mapping[str, int], free: int | None) -> MemoryPolicy:
        seen.append(parts)
        return choose(configured, parts, free)

    monkeypatch.setattr(placement, "choose_policy", choosing)
    model = open_model(FP8.model_copy(update={"model": tiny_model}), "cpu")
    assert isinstance(model.transformer.layers[0].feed_forward.w1, Fp8Linear)
    assert seen[-1] == weights_of(model.pipeline)
