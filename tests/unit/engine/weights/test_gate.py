from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.weights.gate import examine_checkpoint, examine_custom_weights, require_accepted
from consumer.engine.weights.report import ShapeMismatch, merge_equal_blocks
from consumer.engine.weights.source import read_source
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from schemas import Reason
from tests.support.checkpoints import State, fine_tuned, original, write

if TYPE_CHECKING:
    from consumer.engine.weights.report import WeightsReport

    Shapes = dict[str, tuple[int, ...]]


@pytest.fixture
def state(tiny_model: Path) -> State:
    """A complete checkpoint, to be damaged."""
    return fine_tuned(tiny_model)


def examined(folder: Path, state: State, shapes: Shapes, **options: bool) -> WeightsReport:
    return examine_checkpoint(read_source(write(folder, state)), shapes, **options)


def only_problem(report: WeightsReport) -> str:
    """Return the problem of a file that has exactly one."""
    assert len(report.problems) == 1
    with pytest.raises(Fatal) as refused:
        require_accepted(report)
    assert refused.value.reason is Reason.MODEL_UNAVAILABLE
    assert refused.value.message.startswith(f"{report.path} {report.problems[0].what}")
    assert f"leadart doctor weights {report.path}" in refused.value.message
    return report.problems[0].what


def test_a_complete_checkpoint_is_accepted(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """Every tensor of the model is covered, in every block, and nothing else is there."""
    report = examined(tmp_path, state, shapes, payload=True)
    assert report.accepted
    assert report.coverage == 1.0
    assert report.wanted == report.had == len(shapes)
    assert [(title, each.had, each.wanted) for title, each in merge_equal_blocks(report.blocks)] == [
        ("embedders", 11, 11),
        ("noise_refiner.0", 15, 15),
        ("context_refiner.0", 13, 13),
        ("layers.0 to 1", 15, 15),
        ("final layer", 4, 4),
    ]
    require_accepted(report)


def test_a_missing_tensor_is_refused(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """A checkpoint that lacks one tensor is refused: the base's would stay."""
    del state["layers.1.attention.to_k.weight"]
    report = examined(tmp_path, state, shapes)
    assert report.missing == ("layers.1.attention.to_k.weight",)
    assert report.coverage < 1
    assert only_problem(report) == "covers 72 of the model's 73 tensors; missing: layers.1.attention.to_k.weight"
    assert ("layers.1", 14) in {(each.name, each.had) for each in report.blocks}


def test_an_overlay_is_partial_on_purpose(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """With `overlay` a partial checkpoint is accepted with its coverage; an empty one is still refused."""
    part = {name: tensor for name, tensor in state.items() if name.startswith("layers.")}
    report = examined(tmp_path, part, shapes, overlay=True)
    assert report.accepted
    assert report.coverage == 30 / 73
    nothing = examined(tmp_path, {"norm_final.weight": torch.ones(4)}, shapes, overlay=True)
    assert only_problem(nothing).startswith("covers 0 of the model's 73 tensors")


@pytest.mark.parametrize("overlay", [False, True])
def test_a_tensor_too_many_is_refused(tmp_path: Path, state: State, shapes: Shapes, *, overlay: bool) -> None:
    """A tensor that the model does not have would be dropped, though its author meant something by it."""
    report = examined(tmp_path, {**state, "layers.2.attention.to_q.weight": torch.ones(2)}, shapes, overlay=overlay)
    assert only_problem(report) == "has 1 tensors that the model does not have: layers.2.attention.to_q.weight"


@pytest.mark.parametrize("overlay", [False, True])
def test_another_shape_is_refused(tmp_path: Path, state: State, shapes: Shapes, *, overlay: bool) -> None:
    """A tensor of another shape is reported with both shapes."""
    state["cap_embedder.1.bias"] = torch.ones(95)
    report = examined(tmp_path, state, shapes, overlay=overlay)
    assert report.mismatched == (ShapeMismatch("cap_embedder.1.bias", (96,), (95,)),)
    assert "has other shapes than the model: cap_embedder.1.bias" in report.problems[0].what


def test_a_fused_tensor_that_has_no_thirds_is_refused(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """A fused matrix must consist of three of the model's."""
    fused = original(state)
    fused["layers.0.attention.qkv.weight"] = torch.ones(97, 96)
    report = examined(tmp_path, fused, shapes)
    assert [each.name[-11:-7] for each in report.mismatched] == ["to_k", "to_q", "to_v"]
    assert report.mismatched[0].file == (97, 96)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(
    tmp_path: Path, tiny_model: Path, shapes: Shapes, dtype: torch.dtype, value: float
) -> None:
    """NaN or infinity in a single value of one used tensor is found in all three dtypes."""
    state = fine_tuned(tiny_model, dtype)
    state["layers.1.feed_forward.w2.weight"][3, 5] = value
    report = examined(tmp_path, state, shapes, payload=True)
    assert report.not_finite == ("layers.1.feed_forward.w2.weight",)
    assert "holds NaN or infinity in layers.1.feed_forward.w2.weight" in only_problem(report)


def test_junk_may_hold_anything(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """The stray `norm_final.weight` of fine-tunes is not used, so neither its NaN nor its shape matters."""
    report = examined(tmp_path, {**state, "norm_final.weight": torch.full((7,), torch.nan)}, shapes, payload=True)
    assert report.accepted
    assert report.ignored == ("norm_final.weight",)


def test_two_layouts_in_one_file_are_refused(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """It would be ambiguous which of two tensors is meant."""
    report = examined(tmp_path, {**state, "x_embedder.bias": torch.ones(96)}, shapes)
    assert only_problem(report) == "has two tensors for all_x_embedder.2-1.bias"


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_fp8_is_refused_by_name(tmp_path: Path, state: State, shapes: Shapes, dtype: torch.dtype) -> None:
    """Fp8, scaled or not, is not converted; the message says which file to use instead."""
    state["layers.0.feed_forward.w1.weight"] = state["layers.0.feed_forward.w1.weight"].to(dtype)
    scaled = {**state, "layers.0.feed_forward.w1.scale_weight": torch.tensor(0.5)}
    for each in (state, scaled):
        report = examined(tmp_path, each, shapes, payload=True)
        assert report.problems[0].what.startswith("is stored in fp8 (F8_E")
        assert report.problems[0].remedy == "Use the bf16 or fp16 file that it was made from."


def test_other_quantisation_is_refused_by_name(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """Scales beside the weights reveal quantised files; integers and doubles are not accepted as weights."""
    quantised = {**state, "layers.0.feed_forward.w1.weight.absmax": torch.ones(3)}
    assert "is quantised: layers.0" in examined(tmp_path, quantised, shapes).problems[0].what
    state["x_pad_token"] = state["x_pad_token"].to(torch.float64)
    assert only_problem(examined(tmp_path, state, shapes)) == "has tensors of dtype F64: x_pad_token"


def test_other_models_and_loras_are_refused(tmp_path: Path, shapes: Shapes) -> None:
    """A LoRA given as a checkpoint, and another family's checkpoint, are refused by their kind."""
    lora = {"layers.0.attention.to_q.lora_A.weight": torch.ones(2, 96)}
    assert only_problem(examined(tmp_path, lora, shapes)) == "is a LoRA, not a checkpoint"
    flux = {"double_blocks.0.img_attn.qkv.weight": torch.ones(2)}
    assert only_problem(examined(tmp_path, flux, shapes)) == "holds the weights of another model (Flux)"


@pytest.mark.parametrize(("prefix", "fused", "covered"), [("model.diffusion_model.", True, 0), ("", True, 43)])
def test_lenient_loading_covers_less(
    tmp_path: Path, state: State, shapes: Shapes, prefix: str, covered: int, *, fused: bool
) -> None:
    """Where stripping `model.` and loading what fits replaces none or part of the model, the gate covers all of it."""
    named = {f"{prefix}{name}": tensor for name, tensor in (original(state) if fused else state).items()}
    leniently = {name.removeprefix("model."): tensor.shape for name, tensor in named.items()}
    assert sum(leniently.get(name) == shape for name, shape in shapes.items()) == covered
    assert examined(tmp_path, named, shapes).coverage == 1.0


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path, state: State) -> EngineSettings:
    """A model with a checkpoint and an adapter that fit it."""
    (tmp_path / "loras").mkdir()
    lora = {
        "layers.0.attention.to_q.lora_A.weight": torch.ones(2, 96),
        "layers.0.attention.to_q.lora_B.weight": torch.ones(96, 2),
    }
    save_file(lora, tmp_path / "loras" / "ink.v2.safetensors")
    weights = write(tmp_path, state)
    return EngineSettings(model=tiny_model, weights=weights, adapters=tmp_path / "loras")


def test_custom_weights_are_examined_by_their_headers(settings: EngineSettings) -> None:
    """Checkpoint and adapters are described in a sentence each; without them nothing is read."""
    sentences = examine_custom_weights(settings)
    assert [sentence.rpartition("/")[2] for sentence in sentences] == [
        "spring.safetensors covers 73 of the model's 73 tensors",
        "ink.v2.safetensors is a LoRA, all 2 tensors of which take effect",
    ]
    assert examine_custom_weights(EngineSettings(model=settings.model)) == []
    assert examine_custom_weights(EngineSettings()) == []


def test_custom_weights_are_refused_for_any_of_their_files(settings: EngineSettings, tmp_path: Path) -> None:
    """An adapter that does not fit, a pickled one, an empty folder and a missing one each end the start."""
    folder = tmp_path / "loras"
    (folder / "old.pt").touch()
    _refused(settings, "old.pt is pickled, which may run code")
    (folder / "old.pt").unlink()
    assert settings.weights is not None
    shutil.copy(settings.weights, folder)
    _refused(settings, "spring.safetensors is not a LoRA", "--as lora")
    shutil.rmtree(folder)
    _refused(settings, "loras is not there")
    folder.mkdir()
    _refused(settings, "holds no .safetensors file")
    Path(os.fsdecode(bytes(folder) + b"/\xff.safetensors")).touch()
    _refused(settings, "has a name that cannot be printed", "Rename it")


def test_one_lora_file_may_stand_for_a_folder(settings: EngineSettings, tmp_path: Path) -> None:
    """The files beside it are then ignored; a file of another kind is refused by its name."""
    folder = tmp_path / "loras"
    (folder / "old.pt").touch()
    alone = settings.model_copy(update={"weights": None, "adapters": folder / "ink.v2.safetensors"})
    assert len(examine_custom_weights(alone)) == 1
    _refused(settings.model_copy(update={"adapters": folder / "old.pt"}), "old.pt is pickled")
    (folder / "notes.txt").touch()
    _refused(settings.model_copy(update={"adapters": folder / "notes.txt"}), "notes.txt is not a .safetensors file")


def _refused(settings: EngineSettings, *said: str) -> None:
    with pytest.raises(Fatal) as refused:
        examine_custom_weights(settings)
    assert all(words in refused.value.message for words in said)


def test_the_report_is_json(tmp_path: Path, state: State, shapes: Shapes) -> None:
    """As JSON the report has the verdict, the coverage and every deviation."""
    state["cap_embedder.1.bias"] = torch.ones(95)
    content: dict[str, Any] = examined(tmp_path, state, shapes).as_json()
    assert content["accepted"] is False
    assert content["coverage"] == 72 / 73
    assert content["mismatched"] == ({"name": "cap_embedder.1.bias", "model": (96,), "file": (95,)},)
    assert content["problems"][0]["remedy"]
