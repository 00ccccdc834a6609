from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from safetensors.torch import load_file, save_file

from consumer.engine.runtime.model import Model, find_device, load_pipeline
from consumer.errors import Fatal
from consumer.settings import EngineSettings, ForwardKind
from schemas import Reason
from tests.support.checkpoints import State


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def refusal(model: Path, device: str = "cpu") -> Fatal:
    """Return the error that ends the loading."""
    with pytest.raises(Fatal) as refused:
        load_pipeline(model, find_device(device))
    return refused.value


def test_the_cpu_gets_full_precision(tiny_model: Path) -> None:
    """On the CPU all three networks are fp32."""
    pipeline = load_pipeline(tiny_model, torch.device("cpu"))
    parts = (pipeline.transformer, pipeline.text_encoder, pipeline.vae)
    assert {part.dtype for part in parts} == {torch.float32}
    assert pipeline.device == torch.device("cpu")


def test_a_model_says_which_kernels_it_has(tiny_model: Path) -> None:
    """What the engine logs when it is ready, and the bench writes at its head; the stock forward pass has its own."""
    cpu = torch.device("cpu")
    settings = (EngineSettings(), EngineSettings(forward=ForwardKind.STOCK))
    said = [Model(load_pipeline(tiny_model, cpu), cpu, each).kernels for each in settings]
    assert said == ["plain", "of diffusers"]


def test_damaged_weights_are_refused(model: Path) -> None:
    """For a truncated file, as after an aborted download, the error names the folder and the problem."""
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    error = refusal(model)
    assert error.reason is Reason.MODEL_UNAVAILABLE
    assert f"{model} could not be loaded (" in error.message


def rewrite(file: Path, change: Callable[[State], State]) -> None:
    save_file(change(load_file(file)), file, {"format": "pt"})


@pytest.mark.parametrize(
    ("part", "file"), [("text_encoder", "model.safetensors"), ("vae", "diffusion_pytorch_model.safetensors")]
)
def test_a_part_that_lacks_a_tensor_is_refused(model: Path, part: str, file: str) -> None:
    """Libraries would fill the gap with random numbers, or fail without a name: the error names part and tensor."""
    name = min(load_file(model / part / file))
    rewrite(model / part / file, lambda state: {other: tensor for other, tensor in state.items() if other != name})
    error = refusal(model)
    assert error.reason is Reason.MODEL_UNAVAILABLE
    assert f"{model} lacks 1 tensors of its {part}: {name}" in error.message


def test_a_quantised_text_encoder_is_refused(model: Path) -> None:
    """Scales beside its weights mean that the stored values are not the weights."""
    scale = {"layers.0.mlp.up_proj.weight_scale": torch.ones(1)}
    rewrite(model / "text_encoder" / "model.safetensors", lambda state: state | scale)
    assert f"{model} has a quantised text_encoder (layers.0.mlp.up_proj.weight_scale)" in refusal(model).message


def test_a_tokenizer_without_a_template_is_refused(model: Path) -> None:
    """Without a chat template no prompt could be encoded: that is an error at the start, not at the first picture."""
    (model / "tokenizer" / "chat_template.jinja").unlink()
    assert "without a chat template" in refusal(model).message


@pytest.mark.parametrize("device", ["cuda:99", "warp-drive"])
def test_a_device_that_is_not_there_is_refused(tiny_model: Path, device: str) -> None:
    """The error names the setting when torch has no such device."""
    error = refusal(tiny_model, device)
    assert error.reason is Reason.MISCONFIGURED
    assert f"LEADART_ENGINE__DEVICES={device}" in error.message


@pytest.mark.parametrize("axes", [[512, 512], [1536, 512, 512], [8, 1536, 512, 512]])
def test_sizes_are_limited_by_rows_and_columns_whatever_precedes_them(
    tiny_model: Path, axes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the forward pass of diffusers a transformer may have other axes: its last two are rows and columns."""
    cpu = torch.device("cpu")
    model = Model(load_pipeline(tiny_model, cpu), cpu, EngineSettings(forward=ForwardKind.STOCK))
    monkeypatch.setattr(
        model.transformer, "_internal_dict", FrozenDict({**model.transformer.config, "axes_lens": axes})
    )
    assert model.unsupported(8192, 64) is None
    assert model.unsupported(8208, 64) == (Reason.TOO_LARGE, "This model paints up to 8192x8192, not 8208x64.")
