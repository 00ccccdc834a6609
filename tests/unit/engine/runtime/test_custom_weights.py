from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from consumer.engine.runtime import custom_weights
from consumer.engine.runtime.custom_weights import load_checkpoint, load_custom_weights
from consumer.engine.weights.gate import examine_checkpoint
from consumer.engine.weights.layout import PREFIXES
from consumer.engine.weights.source import read_source
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from tests.support.checkpoints import base_state, fine_tuned, original, write


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("prefix", ["", *PREFIXES])
@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_every_layout_is_loaded_to_the_bit(
    tmp_path: Path,
    tiny_model: Path,
    transformer: Any,
    *,
    layout: str,
    prefix: str,
    shards: int,
    dtype: torch.dtype,
) -> None:
    """Whatever the layout, prefix, shards and dtype, coverage is complete and every tensor equals the file's."""
    tuned = fine_tuned(tiny_model, dtype)
    path = write(tmp_path, tuned if layout == "diffusers" else original(tuned), prefix, shards)
    report = examine_checkpoint(
        read_source(path), {name: tuple(tensor.shape) for name, tensor in tuned.items()}, payload=True
    )
    assert (report.coverage, report.accepted, report.layout, report.prefixes) == (1.0, True, layout, (prefix,))

    assert load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=path)) == 1.0

    loaded = transformer.state_dict()
    assert all(torch.equal(loaded[name], tensor.float()) for name, tensor in tuned.items())
    assert transformer.dtype == torch.float32


def test_the_transformers_dtype_is_kept(tmp_path: Path, tiny_model: Path, transformer: Any) -> None:
    """A checkpoint in fp32 is cast to the dtype of the transformer."""
    tuned = fine_tuned(tiny_model)
    transformer.to(torch.bfloat16)
    load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=write(tmp_path, tuned)))
    loaded = transformer.state_dict()
    assert all(torch.equal(loaded[name], tensor.bfloat16()) for name, tensor in tuned.items())


def test_an_overlay_leaves_the_rest(tmp_path: Path, tiny_model: Path, transformer: Any) -> None:
    """An overlay replaces its part of the model, keeps the base's other tensors and reports the coverage."""
    tuned = {name: tensor for name, tensor in fine_tuned(tiny_model).items() if name.startswith("layers.1.")}
    path = write(tmp_path, original(tuned))
    with pytest.raises(Fatal, match="covers 15 of the model's 73 tensors"):
        load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=path))
    settings = EngineSettings(model=tiny_model, weights=path, overlay=True)
    assert load_checkpoint(transformer, settings) == 15 / 73
    loaded = transformer.state_dict()
    assert all(torch.equal(loaded[name], tuned.get(name, base)) for name, base in base_state(tiny_model).items())


@pytest.mark.parametrize("change", ["fewer", "smaller"])
def test_a_file_that_changes_while_it_is_loaded_is_refused(
    tmp_path: Path, tiny_model: Path, transformer: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A file that is replaced after the gate's check is never loaded in part nor broadcast to fit."""
    tuned = fine_tuned(tiny_model)
    path = write(tmp_path, tuned)
    name = "layers.1.attention_norm1.weight"

    def examine(*asked: Any, **options: Any) -> Any:
        report = examine_checkpoint(*asked, **options)
        others = {other: tensor for other, tensor in tuned.items() if other != name}
        write(tmp_path, others if change == "fewer" else others | {name: tuned[name][:1]})
        return report

    monkeypatch.setattr(custom_weights, "examine_checkpoint", examine)
    with pytest.raises(Fatal, match=f"was changed while it was loaded: {name}"):
        load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=path))


def test_no_checkpoint_is_no_coverage(tiny_model: Path, transformer: Any) -> None:
    """Without a checkpoint the base model is unchanged and there is no coverage."""
    assert load_checkpoint(transformer, EngineSettings(model=tiny_model)) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.4e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_values_that_are_not_finite_in_the_model_are_refused(
    tmp_path: Path, tiny_model: Path, transformer: Any, value: float, dtype: torch.dtype
) -> None:
    """NaN, and what is infinity in bf16, is refused on any device, with the tensor's name in the file."""
    tuned = original(fine_tuned(tiny_model))
    tuned["layers.0.attention.qkv.weight"][100, 2] = value
    transformer.to(dtype)
    with pytest.raises(Fatal, match=r"holds NaN or infinity in layers\.0\.attention\.qkv\.weight"):
        load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=write(tmp_path, tuned)))


def test_junk_may_hold_nan(tmp_path: Path, tiny_model: Path, transformer: Any) -> None:
    """A stray `norm_final.weight` full of NaN does no harm."""
    tuned = {**fine_tuned(tiny_model), "norm_final.weight": torch.full((96,), torch.nan)}
    assert load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=write(tmp_path, tuned))) == 1.0


def test_any_error_while_loading_names_the_file(
    tmp_path: Path, tiny_model: Path, transformer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with a checkpoint, the start ends with a message that names its file."""

    def torn(*_: object, **__: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr("consumer.engine.runtime.custom_weights.safe_open", torn)
    path = write(tmp_path, fine_tuned(tiny_model))
    with pytest.raises(Fatal, match=r"spring\.safetensors could not be loaded \(RuntimeError: no more memory\)"):
        load_checkpoint(transformer, EngineSettings(model=tiny_model, weights=path))


def test_an_incomplete_base_is_reported_first(tiny_model: Path, transformer: Any) -> None:
    """Tensors that the folder's own weights lack, left on the meta device, end the start before anything is loaded."""
    transformer.layers[0].feed_forward.w1.to("meta")
    with pytest.raises(Fatal, match=r"lacks 1 tensors of its transformer: layers\.0\.feed_forward\.w1\.weight"):
        load_custom_weights(transformer, EngineSettings(model=tiny_model))
