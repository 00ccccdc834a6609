from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.weights.layout import (
    PREFIXES,
    block_of,
    family,
    map_tensors,
    split_prefix,
    to_model_names,
    to_original_name,
)

INNER = (
    "attention.to_q.weight",
    "attention.to_k.weight",
    "attention.to_v.weight",
    "attention.to_out.0.weight",
    "attention.norm_q.weight",
    "attention.norm_k.weight",
    "feed_forward.w1.weight",
    "attention_norm1.weight",
    "adaLN_modulation.0.bias",
)
blocks = st.builds(
    "{}.{}.{}".format,
    st.sampled_from(["layers", "noise_refiner", "context_refiner"]),
    st.integers(0, 10**6),
    st.sampled_from(INNER),
)
alone = st.sampled_from(
    ["all_x_embedder.2-1.weight", "all_final_layer.2-1.linear.bias", "cap_embedder.0.weight", "x_pad_token"]
)
any_model_name = blocks | alone


@given(any_model_name)
def test_every_name_comes_back(name: str) -> None:
    """A name of the model survives the way to the original layout and back, a fused one among three."""
    meant = to_model_names(to_original_name(name))
    assert name in {target for target, _ in meant}
    assert [third for _, third in meant] in ([None], [0, 1, 2])
    assert to_model_names(name) == ((name, None),)


@given(st.sets(any_model_name, min_size=1), st.sampled_from(["", *PREFIXES]))
def test_a_mapping_covers_every_name(names: set[str], prefix: str) -> None:
    """In either layout and under each prefix, each name has exactly one slice."""
    for spelled in (names, {to_original_name(name) for name in names}):
        planned = map_tensors(prefix + name for name in spelled)
        assert names <= planned.slices.keys()
        assert all(len(parts) == 1 for parts in planned.slices.values())
        assert planned.prefixes == (prefix,)


@given(st.text(max_size=40))
def test_any_name_is_taken_apart(name: str) -> None:
    """Names of any other kind are neither lost nor an error."""
    prefix, bare = split_prefix(name)
    assert prefix + bare == name
    assert block_of(name)
    assert map_tensors([name]).slices or map_tensors([name]).junk


def test_the_longest_prefix_is_stripped_once() -> None:
    """`model.` must not be stripped from `model.diffusion_model.`."""
    assert split_prefix("model.diffusion_model.layers.0.x") == ("model.diffusion_model.", "layers.0.x")
    assert split_prefix("model.model.x") == ("model.", "model.x")


def test_a_duplicate_tensor_keeps_both_slices() -> None:
    """The same tensor in two layouts, or bare and under a prefix, is one name with two slices."""
    planned = map_tensors(["x_embedder.bias", "all_x_embedder.2-1.bias", "model.x_pad_token", "x_pad_token"])
    counts: Mapping[str, int] = {name: len(parts) for name, parts in planned.slices.items()}
    assert counts == {"all_x_embedder.2-1.bias": 2, "x_pad_token": 2}
    assert planned.layout == "diffusers and original"


def test_junk_is_known_by_its_whole_name() -> None:
    """Only the stray `norm_final.weight` is ignored, with or without a prefix."""
    assert map_tensors(["model.norm_final.weight", "norm_final.weight"]).junk == (
        "model.norm_final.weight",
        "norm_final.weight",
    )
    assert map_tensors(["final_layer.norm_final.weight"]).junk == ()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("double_blocks.0.img_attn.qkv.weight", "Flux"),
        ("model.diffusion_model.input_blocks.0.0.weight", "Stable Diffusion (U-Net)"),
        ("transformer_blocks.0.attn.to_q.weight", "Qwen-Image or Stable Diffusion 3"),
        ("blocks.0.self_attn.q.weight", "Wan"),
        ("model.layers.0.self_attn.q_proj.weight", "text encoder"),
        ("decoder.up.0.weight", "VAE"),
        ("control_layers.0.attention.to_q.weight", "Z-Image ControlNet"),
        ("layers.0.attention.to_q.weight", None),
        ("something", None),
    ],
)
def test_other_models_are_known_by_their_names(name: str, other: str | None) -> None:
    """Another model is recognised by its tensor names."""
    assert family([name]) == other


def test_blocks_are_the_models_parts() -> None:
    """Tensors are grouped by the model's blocks."""
    names = ("layers.7.a", "noise_refiner.0.a", "all_final_layer.2-1.a", "t_embedder.mlp.0.bias", "cap_pad_token", "x")
    assert [block_of(name) for name in names] == [
        "layers.7", "noise_refiner.0", "final layer", "embedders", "embedders", "other"
    ]  # fmt: skip
