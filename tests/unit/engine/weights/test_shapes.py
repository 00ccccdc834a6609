from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from safetensors.torch import save_file

from consumer.engine.runtime.opening import open_model
from consumer.engine.weights.gate import examine_checkpoint, examine_custom_weights
from consumer.engine.weights.shapes import expected_shapes
from consumer.engine.weights.source import check_own_weights, model_shapes, read_source
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from tests.support.checkpoints import base_state, fine_tuned, write

LOST = "layers.0.feed_forward.w1.weight"


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be damaged."""
    return shutil.copytree(tiny_model, tmp_path / "base")


def configured(base: Path, **changes: object) -> None:
    """Change the transformer's configuration; None removes a field."""
    file = base / "transformer" / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({field: value for field, value in config.items() if value is not None}))


def without(base: Path, name: str) -> None:
    """Remove a tensor from the model's own file."""
    state = base_state(base)
    del state[name]
    save_file(state, base / "transformer" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dim": 200, "n_heads": 5, "axes_dims": [8, 16, 16], "n_layers": 3, "n_refiner_layers": 1},
        {"all_patch_size": (2, 4), "all_f_patch_size": (1, 2), "n_layers": 1},
        {"qk_norm": False, "siglip_feat_dim": 48, "n_layers": 1},
    ],
)
def test_the_configuration_says_what_the_class_has(changes: dict[str, Any]) -> None:
    """Names and shapes equal those of the library's class, in any order, for any kind of configuration."""
    with torch.device("meta"):
        model = ZImageTransformer2DModel(**changes)
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert expected_shapes(json.loads(model.to_json_string())) == own
    if not changes:
        assert len(own) == 521
        assert sum(math.prod(shape) for shape in own.values()) == 6_154_908_736


def test_the_tiny_models_configuration_is_its_class(tiny_model: Path, transformer: Any) -> None:
    """The tiny model's shapes are derived correctly."""
    assert model_shapes(tiny_model) == {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}


def test_a_configuration_that_lacks_a_field_leaves_the_headers(base: Path) -> None:
    """Without a field, or without the file, the headers of the folder's own weights are the expectation."""
    whole = model_shapes(base)
    without(base, LOST)
    configured(base, cap_feat_dim=None)
    assert model_shapes(base) == {name: shape for name, shape in whole.items() if name != LOST}
    (base / "transformer" / "config.json").unlink()
    assert LOST not in model_shapes(base)


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": "96"},
        {"n_layers": 10**9},
        {"n_heads": 0},
        {"n_refiner_layers": -1},
        {"in_channels": True},
        {"all_patch_size": 2},
        {"all_patch_size": [2, 4]},
        {"siglip_feat_dim": 0.5},
    ],
)
def test_values_that_no_model_has_are_refused(base: Path, changes: dict[str, object]) -> None:
    """A configuration that would crash the start, or fill the memory with names, is refused."""
    configured(base, **changes)
    with pytest.raises(Fatal, match=r"has a transformer/config\.json with values that no model has"):
        model_shapes(base)


def test_a_tensor_missing_from_both_is_missing(base: Path, tmp_path: Path) -> None:
    """A checkpoint is compared with the class, not with a base that lacks the same tensor."""
    state = fine_tuned(base)
    del state[LOST]
    without(base, LOST)
    report = examine_checkpoint(read_source(write(tmp_path, state)), model_shapes(base))
    assert (report.accepted, report.had, report.wanted, report.missing) == (False, 72, 73, (LOST,))


def test_an_incomplete_base_is_refused(base: Path, tmp_path: Path) -> None:
    """A folder whose own weights lack a tensor ends the start with its name, with or without a checkpoint over it."""
    weights = write(tmp_path, fine_tuned(base))
    without(base, LOST)
    said = rf"The model folder .*base lacks 1 tensors of its transformer: {LOST}"
    with pytest.raises(Fatal, match=said):
        check_own_weights(base)
    with pytest.raises(Fatal, match=said):
        examine_custom_weights(EngineSettings(model=base, weights=weights))
    for settings in (EngineSettings(model=base), EngineSettings(model=base, weights=weights)):
        with pytest.raises(Fatal, match=said):
            open_model(settings, "cpu")


def test_a_base_of_other_shapes_is_refused(base: Path) -> None:
    """Weights that do not match the configuration are refused with the tensors' names."""
    state = base_state(base)
    state[LOST] = torch.ones(3, 96)
    save_file(state, base / "transformer" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(Fatal, match=rf"has other shapes in its transformer than its config\.json says: {LOST}"):
        check_own_weights(base)
