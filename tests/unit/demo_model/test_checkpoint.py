from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from safetensors.torch import save_file

from checkpoint import PREFIX, comfy_layout, merged
from model import build_transformer


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: weight.clone() for name, weight in build_transformer().state_dict().items()}


def test_diffusers_reads_the_single_file_back(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Every weight comes back under its own name with its own numbers."""
    build_transformer().save_config(tmp_path)
    save_file(comfy_layout(weights), tmp_path / "house.safetensors")
    again = ZImageTransformer2DModel.from_single_file(
        str(tmp_path / "house.safetensors"), config=str(tmp_path)
    ).state_dict()

    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weight) for name, weight in weights.items())


def test_names_are_comfyuis(weights: dict[str, torch.Tensor]) -> None:
    """All begin with the prefix, and no name of diffusers is left."""
    names = comfy_layout(weights).keys()

    assert all(name.startswith(PREFIX) for name in names)
    assert not any(mark in name for name in names for mark in ("to_q", "to_k", "to_v", "to_out", "all_", "norm_q"))


def test_a_lora_changes_its_targets_alone(weights: dict[str, torch.Tensor]) -> None:
    """Merging adds the product of a pair to its weight, times the scale, and leaves the others as they are."""
    target = "layers.0.attention.to_q.weight"
    down, up = torch.randn(4, weights[target].shape[1]), torch.randn(weights[target].shape[0], 4)
    stem = f"transformer.{target.removesuffix('.weight')}"
    changed = merged(weights, {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}, 0.5)

    assert torch.allclose(changed[target], weights[target] + 0.5 * up @ down, atol=1e-5)
    assert all(changed[name] is weight for name, weight in weights.items() if name != target)


def test_a_lora_of_another_model_is_refused(weights: dict[str, torch.Tensor]) -> None:
    """A pair without a weight to change is an error, not silence."""
    pair = {
        "transformer.layers.99.x.lora_A.weight": torch.zeros(1, 1),
        "transformer.layers.99.x.lora_B.weight": torch.zeros(1, 1),
    }

    with pytest.raises(KeyError):
        merged(weights, pair)


def test_a_lora_in_other_words_is_refused(weights: dict[str, torch.Tensor]) -> None:
    """What is not understood is told, instead of left out."""
    with pytest.raises(KeyError, match=r"lora\.down"):
        merged(weights, {"transformer.layers.0.attention.to_q.lora.down.weight": torch.zeros(1, 1)})
