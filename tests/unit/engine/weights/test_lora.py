from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from consumer.engine.runtime.custom_weights import _matrices, load_adapters, use_adapters
from consumer.engine.weights.adapter_gate import examine_adapter
from consumer.engine.weights.layout import PREFIXES
from consumer.engine.weights.lora import pair_up
from consumer.engine.weights.source import read_source
from consumer.errors import Fatal
from consumer.jobs import Adapter
from tests.support.checkpoints import State, base_state, fine_tuned, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from consumer.engine.weights.report import WeightsReport

    Shapes = dict[str, tuple[int, ...]]

ATTENTION = "layers.1.attention"
RANK, ALPHA = 4, 2.0


def matrices(seed: int, inputs: int, outputs: int, rank: int = RANK) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A and B of an adapter."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, inputs, generator=generator), torch.randn(outputs, rank, generator=generator)


def lora(dialect: str, prefix: str) -> tuple[State, dict[str, torch.Tensor]]:
    """Return a file's tensors for q, k, v and the output of one block, and the sum it stands for by module."""
    down, up = matrices(0, 96, 3 * 96)
    out_down, out_up = matrices(1, 96, 96)
    scale = ALPHA / RANK if "alpha" in dialect else 1.0
    expected = {
        f"{ATTENTION}.{name}": scale * part @ down
        for name, part in zip(("to_q", "to_k", "to_v"), up.chunk(3), strict=True)
    } | {f"{ATTENTION}.to_out.0": scale * out_up @ out_down}
    fused = "fused" in dialect
    pairs = {"attention.out" if fused else "attention.to_out.0": (out_down, out_up)}
    if fused:
        pairs["attention.qkv"] = (down, up)
    else:
        pairs |= {
            f"attention.{name}": (down, part) for name, part in zip(("to_q", "to_k", "to_v"), up.chunk(3), strict=True)
        }
    words = ("lora_A", "lora_B") if "A/B" in dialect else ("lora_down", "lora_up")
    state: State = {}
    for module, (a, b) in pairs.items():
        name = f"layers.1.{module}"
        named = prefix + (name.replace(".", "_") if "kohya" in dialect else name)
        label = ".style" if "named" in dialect else ""
        state |= {f"{named}.{words[0]}{label}.weight": a.clone(), f"{named}.{words[1]}{label}.weight": b.clone()}
        if "alpha" in dialect:
            state[f"{named}.alpha"] = torch.tensor(ALPHA)
    return state, expected


DIALECTS = [
    *(("A/B", prefix) for prefix in ("", *PREFIXES, "base_model.model.", "transformer.base_model.model.")),
    ("A/B named", "base_model.model."),
    *(("A/B fused", prefix) for prefix in ("", "diffusion_model.")),
    *(("down/up alpha", prefix) for prefix in ("", "diffusion_model.", "transformer.")),
    *(("down/up fused", prefix) for prefix in ("", "diffusion_model.")),
    *((f"down/up alpha kohya{fused}", "lora_unet_") for fused in ("", " fused")),
    *(("down/up alpha kohya", prefix) for prefix in ("lora_unet_diffusion_model_", "lycoris_")),
    *(("down/up alpha kohya", prefix) for prefix in ("lora_unet__", "lora_transformer__", "lora_unet__orig_mod_")),
    ("down/up alpha kohya fused", "lora_unet__"),
    *(("A/B named", prefix) for prefix in ("pipe.dit.", "module._orig_mod.", "base_model.model.module.")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    folder.mkdir()
    return folder


@pytest.fixture
def latents() -> Any:
    """Arguments with which the transformer can be called."""
    generator = torch.Generator().manual_seed(3)
    return (
        [torch.randn(16, 1, 4, 4, generator=generator)],
        torch.tensor([0.5]),
        [torch.randn(8, 64, generator=generator)],
    )


def painted(transformer: Any, latents: Any) -> torch.Tensor:
    with torch.no_grad():
        called = transformer(*latents, return_dict=False)
    made: torch.Tensor = called[0][0]
    return made


def with_sum(
    transformer: Any, state: Mapping[str, torch.Tensor], sums: Mapping[str, torch.Tensor], scale: float
) -> None:
    """Add B times A to the weights by hand."""
    added = {name: tensor + scale * sums.get(name.removesuffix(".weight"), 0) for name, tensor in state.items()}
    transformer.load_state_dict(added)


@pytest.mark.parametrize(("dialect", "prefix"), DIALECTS)
def test_every_dialect_has_its_effect(
    tiny_model: Path, transformer: Any, folder: Path, latents: Any, *, dialect: str, prefix: str
) -> None:
    """In each dialect the picture is that of W + scale · alpha/rank · B · A made by hand; without it, the base's."""
    state, sums = lora(dialect, prefix)
    save_file(state, folder / "ink.v2.safetensors")
    base = base_state(tiny_model)
    expected = {}
    for scale in (0.0, 0.7):
        with_sum(transformer, base, sums, scale)
        expected[scale] = painted(transformer, latents)
    with_sum(transformer, base, {}, 0)

    (adapter,) = load_adapters(transformer, folder)

    assert adapter.name == "ink.v2"
    assert torch.equal(painted(transformer, latents), expected[0.0])
    use_adapters(transformer, [Adapter(adapter.name, adapter.sha256, 0.7)])
    assert torch.allclose(painted(transformer, latents), expected[0.7], atol=1e-4)
    assert not torch.allclose(expected[0.7], expected[0.0], atol=1e-2)
    use_adapters(transformer, ())
    assert torch.equal(painted(transformer, latents), expected[0.0])


def test_several_adapters_add_up(tiny_model: Path, transformer: Any, folder: Path, latents: Any) -> None:
    """Two adapters of different ranks, one with mixed ranks, take part together; one alone excludes the other."""
    sums: list[dict[str, torch.Tensor]] = []
    for number, ranks in enumerate([(4, 4), (2, 8)]):
        state: State = {}
        added: State = {}
        for seed, (module, rank) in enumerate(zip((f"{ATTENTION}.to_q", f"{ATTENTION}.to_out.0"), ranks, strict=True)):
            a, b = matrices(10 * number + seed, 96, 96, rank)
            state |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
            added[module] = b @ a
        save_file(state, folder / f"{number}.safetensors")
        sums.append(added)
    base = base_state(tiny_model)
    both = {module: 0.5 * sums[0][module] + 2.0 * sums[1][module] for module in sums[0]}
    with_sum(transformer, base, both, 1.0)
    expected = painted(transformer, latents)
    with_sum(transformer, base, sums[1], 1.0)
    second = painted(transformer, latents)
    with_sum(transformer, base, {}, 0)

    adapters = load_adapters(transformer, folder)

    assert [adapter.name for adapter in adapters] == ["0", "1"]
    use_adapters(transformer, [Adapter("0", "", 0.5), Adapter("1", "", 2.0)])
    assert torch.allclose(painted(transformer, latents), expected, atol=1e-4)
    use_adapters(transformer, [Adapter("1", "")])
    assert torch.allclose(painted(transformer, latents), second, atol=1e-4)


def test_an_adapter_that_was_not_loaded_is_an_error(transformer: Any, folder: Path) -> None:
    """Using an unknown adapter raises, with adapters loaded and without; using none never does."""
    use_adapters(transformer, ())
    with pytest.raises(LookupError, match="No adapter ink was loaded"):
        use_adapters(transformer, [Adapter("ink", "")])
    save_file(lora("A/B", "")[0], folder / "oil.safetensors")
    load_adapters(transformer, folder)
    with pytest.raises(LookupError, match="No adapter ink was loaded"):
        use_adapters(transformer, [Adapter("oil", ""), Adapter("ink", "")])


def test_no_folder_is_no_adapter(transformer: Any) -> None:
    """Without a folder nothing is loaded."""
    assert load_adapters(transformer, None) == ()


def test_fewer_matrices_than_the_file_has_are_refused(
    transformer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that drops matrices, as diffusers does with a warning, is noticed by comparing those in place."""
    load = type(transformer).load_lora_adapter

    def lossy(self: Any, state: State, **options: Any) -> None:
        load(self, {name: tensor * (0 if "to_q" in name else 1) for name, tensor in state.items()}, **options)

    monkeypatch.setattr(type(transformer), "load_lora_adapter", lossy)
    save_file(lora("A/B", "")[0], folder / "ink.safetensors")
    with pytest.raises(Fatal, match="took effect in 6 of 8 matrices"):
        load_adapters(transformer, folder)


def test_the_files_own_alpha_counts(folder: Path, tiny_model: Path, transformer: Any, latents: Any) -> None:
    """The alpha in diffusers' metadata counts like an alpha tensor."""
    state, sums = lora("A/B", "transformer.")
    remarks = {"transformer.r": RANK, "transformer.lora_alpha": 8}
    save_file(state, folder / "ink.safetensors", {"lora_adapter_metadata": json.dumps(remarks)})
    with_sum(transformer, base_state(tiny_model), sums, 8 / RANK)
    expected = painted(transformer, latents)
    with_sum(transformer, base_state(tiny_model), {}, 0)
    use_adapters(transformer, load_adapters(transformer, folder))
    assert torch.allclose(painted(transformer, latents), expected, atol=1e-4)


def examined(folder: Path, state: State, shapes: Shapes, metadata: dict[str, str] | None = None) -> WeightsReport:
    save_file(state, folder / "ink.safetensors", metadata)
    return examine_adapter(read_source(folder / "ink.safetensors"), shapes, payload=True)


def test_a_lora_is_accepted_with_its_count(folder: Path, shapes: Shapes) -> None:
    """All tensors take effect, and the report says in which blocks."""
    report = examined(folder, lora("down/up alpha kohya fused", "lora_unet_")[0], shapes)
    assert report.accepted
    assert (report.had, report.wanted, report.layout) == (6, 6, "kohya, down/up, with alpha, fused qkv")
    assert [(each.name, each.had) for each in report.blocks] == [("layers.1", 4)]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float64, torch.uint8])
def test_alpha_is_a_number_of_any_dtype(
    folder: Path, tiny_model: Path, transformer: Any, latents: Any, *, dtype: torch.dtype
) -> None:
    """Some exporters write alpha as an integer, or more precisely than weights: it counts all the same."""
    state, sums = lora("down/up alpha", "")
    exact = {name: tensor.to(dtype) if name.endswith(".alpha") else tensor for name, tensor in state.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}
    assert examined(folder, exact, shapes).accepted
    with_sum(transformer, base_state(tiny_model), sums, 1)
    expected = painted(transformer, latents)
    with_sum(transformer, base_state(tiny_model), {}, 0)
    use_adapters(transformer, load_adapters(transformer, folder))
    assert torch.allclose(painted(transformer, latents), expected, atol=1e-4)


def test_hidden_files_are_ignored(folder: Path, transformer: Any) -> None:
    """Hidden files that a system adds, such as `._ink.safetensors`, are no reason to refuse the folder."""
    save_file(lora("A/B", "")[0], folder / "ink.safetensors")
    for name in ("._ink.safetensors", ".ink.pt"):
        (folder / name).write_bytes(b"\0\5\x16\7 notes")
    assert [adapter.name for adapter in load_adapters(transformer, folder)] == ["ink"]


QKV = f"{ATTENTION}.qkv"
TO_Q = f"{ATTENTION}.to_q"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"layers.9.attention.to_q.lora_A.weight": torch.ones(4, 96)}, "has 1 tensors that would have no effect"),
        ({"lora_te_text_model.lora_down.weight": torch.ones(4, 96)}, "has 1 tensors that would have no effect"),
        ({f"{ATTENTION}.norm_q.lora_A.weight": torch.ones(4, 96)}, "has 1 tensors that would have no effect"),
        ({"cap_embedder.1.lora_A.weight": torch.ones(4, 64)}, "has one matrix without the other: cap_embedder.1"),
        ({f"{TO_Q}.lora_A.weight": torch.ones(4, 95)}, f"has other shapes than the model: {TO_Q}.lora_A.weight"),
        ({f"{TO_Q}.lora_A.weight": torch.ones(3, 96)}, f"has other shapes than the model: {TO_Q}.lora_B.weight"),
        ({f"{TO_Q}.lora_A.weight": torch.tensor(1.0)}, f"has other shapes than the model: {TO_Q}.lora_A.weight"),
        ({f"{TO_Q}.alpha": torch.ones(2)}, f"has other shapes than the model: {TO_Q}.alpha"),
        ({f"{TO_Q}.lora_A.weight": torch.full((4, 96), torch.nan)}, f"holds NaN or infinity in {TO_Q}.lora_A.weight"),
        ({f"{TO_Q}.alpha": torch.tensor(torch.inf)}, f"holds NaN or infinity in {TO_Q}.alpha"),
        ({f"{TO_Q}.lora_A.weight": torch.full((4, 96), 3.4e38)}, f"holds NaN or infinity in {TO_Q}.lora_A.weight"),
        (
            {f"{TO_Q}.alpha": torch.tensor(3e38), f"{TO_Q}.lora_B.weight": torch.full((96, 4), 9.0)},
            f"holds NaN or infinity in {TO_Q}.lora_B.weight",
        ),
        ({f"{TO_Q}.alpha": torch.tensor(0.0)}, "has matrices that do nothing, all zero or with alpha 0: "),
        ({f"{TO_Q}.lora_B.weight": torch.zeros(96, 4)}, "has matrices that do nothing, all zero or with alpha 0: "),
        ({f"{TO_Q}.lora_A.weight": torch.zeros(4, 96)}, "has matrices that do nothing, all zero or with alpha 0: "),
        ({f"{TO_Q}.lora_A.weight": torch.ones(4, 96, dtype=torch.int32)}, "has tensors of dtype I32"),
        ({f"{TO_Q}.lora_A.weight": torch.ones(4, 96).to(torch.float8_e4m3fn)}, "is stored in fp8"),
        ({f"{TO_Q}.dora_scale": torch.ones(96)}, "is a DoRA, which is not loaded"),
        ({f"{TO_Q}.lokr_w1": torch.ones(4, 4)}, "is a LoKr, which is not loaded"),
        ({f"{TO_Q}.hada_w1_a": torch.ones(4, 4)}, "is a LoHa, which is not loaded"),
        ({f"{TO_Q}.diff": torch.ones(96, 96)}, "is a difference of whole tensors, which is not loaded"),
        ({f"diffusion_model.{TO_Q}.lora_down.weight": torch.ones(4, 96)}, "has two pairs for "),
        (
            {f"{QKV}.lora_A.weight": torch.ones(4, 96), f"{QKV}.lora_B.weight": torch.ones(288, 4)},
            f"has two pairs for {ATTENTION}.to_k",
        ),
    ],
)
def test_what_would_not_take_effect_is_refused(
    folder: Path, transformer: Any, shapes: Shapes, change: State, complaint: str
) -> None:
    """Each kind of damage to a LoRA is named, in the report and at the start of the engine."""
    report = examined(folder, {**lora("A/B", "")[0], **change}, shapes)
    assert report.problems[0].what.startswith(complaint)
    with pytest.raises(Fatal) as refused:
        load_adapters(transformer, folder)
    assert "NaN" in refused.value.message or complaint in refused.value.message


def test_a_lora_for_something_else_is_refused(folder: Path, shapes: Shapes) -> None:
    """A LoRA that matches nothing, which libraries silently load as none, is refused."""
    other = {"blocks.0.attn.lora_A.weight": torch.ones(4, 96), "blocks.0.attn.lora_B.weight": torch.ones(96, 4)}
    assert examined(folder, other, shapes).problems[0].what == "matches no module of this model"


def test_a_checkpoint_is_no_lora(tmp_path: Path, tiny_model: Path, shapes: Shapes) -> None:
    """A checkpoint among the LoRA files is refused by its kind."""
    source = read_source(write(tmp_path, fine_tuned(tiny_model)))
    assert examine_adapter(source, shapes).problems[0].what == "is not a LoRA"


@pytest.mark.parametrize(
    "remarks",
    [
        {"transformer.use_rslora": True},
        {"transformer.use_dora": True},
        {"transformer.alpha_pattern": {"to_q": 3}},
        {"transformer.lora_alpha": "high"},
        {"transformer.lora_alpha": float("inf")},
        {"transformer.lora_alpha": 0},
        {"transformer.lora_alpha": True},
        {"transformer.lora_alpha": 1e300},
        {"transformer.lora_alpha": 10**400},
    ],
)
def test_settings_that_are_not_applied_are_refused(folder: Path, shapes: Shapes, remarks: dict[str, object]) -> None:
    """Adapter settings in the file that the worker would not apply are reported, not ignored."""
    report = examined(folder, lora("A/B", "")[0], shapes, {"lora_adapter_metadata": json.dumps(remarks)})
    assert "which is not applied" in report.problems[0].what


@pytest.mark.parametrize("remarks", ["{", "[]", "[" * 100_000])
def test_unreadable_metadata_is_ignored(folder: Path, shapes: Shapes, remarks: str) -> None:
    """Metadata that cannot be read counts as none."""
    assert examined(folder, lora("A/B", "")[0], shapes, {"lora_adapter_metadata": remarks}).accepted


full_blocks = st.builds(
    "{}.{}".format, st.sampled_from(["layers", "noise_refiner", "context_refiner"]), st.integers(0, 200)
)
matrix_names = st.sampled_from(
    [
        "attention.to_q",
        "attention.to_k",
        "attention.to_v",
        "attention.to_out.0",
        "feed_forward.w2",
        "adaLN_modulation.0",
    ]
)
modules = st.builds("{}.{}".format, full_blocks, matrix_names) | st.sampled_from(
    ["all_x_embedder.2-1", "all_final_layer.2-1.linear", "all_final_layer.2-1.adaLN_modulation.1", "t_embedder.mlp.0"]
)


@given(st.sets(modules, min_size=1))
def test_underscores_for_dots_are_unambiguous(names: set[str]) -> None:
    """However many blocks a model has, kohya's names lead back to their modules, each to its own."""
    shapes = {f"{name}.weight": (4, 4) for name in names}
    files = {name: f"lora_unet_{name.replace('.', '_')}" for name in names}
    spelled = chain.from_iterable((f"{file}.lora_down.weight", f"{file}.lora_up.weight") for file in files.values())
    pairs, strangers = pair_up(spelled, shapes)
    assert strangers == []
    assert {pair.module: [place.module for place in pair.targets] for pair in pairs} == {
        file: [name] for name, file in files.items()
    }


dotted_prefixes = st.lists(st.sampled_from([*PREFIXES, "base_model.model."]), max_size=3).map("".join)
flat_prefixes = st.builds(
    "{}{}".format,
    st.sampled_from(["lora_unet_", "lora_unet__", "lora_transformer_", "lora_transformer__", "lycoris_"]),
    st.sampled_from(["", "_orig_mod_", "diffusion_model_", "module_"]),
)
torch_words = st.sampled_from(["", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
word_pairs = st.sampled_from([("lora_A", "lora_B"), ("lora_A.default", "lora_B.default"), ("lora_down", "lora_up")])
PAIRS = {
    "layers.0.attention.to_q": (96, 96),
    "noise_refiner.0.attention.to_out.0": (96, 96),
    "context_refiner.0.feed_forward.w2": (256, 96),
    "layers.1.adaLN_modulation.0": (96, 4 * 96),
    "all_final_layer.2-1.linear": (96, 64),
    "cap_embedder.1": (64, 96),
}


@given(st.data())
def test_the_layout_does_not_change_the_product(
    tmp_path_factory: pytest.TempPathFactory, shapes: Shapes, data: st.DataObject
) -> None:
    """Whatever prefixes, separators, words and alpha a trainer writes, the loaded matrices have the same product."""
    flat = data.draw(st.booleans())
    prefix, (down, up) = data.draw(flat_prefixes if flat else dotted_prefixes), data.draw(word_pairs)
    word, alpha = data.draw(torch_words), data.draw(st.sampled_from([None, 1.0, 6.0]))
    state: State = {}
    for seed, (module, (inputs, outputs)) in enumerate(PAIRS.items()):
        first, dot, rest = module.partition(".")
        inner = f"{first}{dot}{rest.replace('.', f'.{word}.', 1)}" if word else module
        name = prefix + (inner.replace(".", "_") if flat else inner)
        a, b = matrices(seed, inputs, outputs)
        state |= {f"{name}.{down}.weight": a, f"{name}.{up}.weight": b * (1 if alpha is None else RANK / alpha)}
        state |= {} if alpha is None else {f"{name}.alpha": torch.tensor(alpha)}
    file = tmp_path_factory.mktemp("layouts") / "ink.safetensors"
    save_file(state, file)
    report = examine_adapter(read_source(file), shapes, payload=True)
    loaded = _matrices(read_source(file), shapes, torch.float32)

    assert report.accepted, report.problems
    assert len(loaded) == 2 * len(PAIRS)
    for seed, (module, (inputs, outputs)) in enumerate(PAIRS.items()):
        a, b = matrices(seed, inputs, outputs)
        product = loaded[f"{module}.lora_B.weight"] @ loaded[f"{module}.lora_A.weight"]
        assert torch.allclose(product, b @ a, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("prefix", "nearest"),
    [
        ("lora_net__", "lora_unet__"),
        ("denoiser.module.", "module."),
        ("pipe.transformer.", "transformer."),
        ("lora_transfomer_", "lora_transformer_"),
        ("modul.", "module."),
        ("x" * 10_000 + ".", ""),
    ],
)
def test_an_unknown_prefix_is_named(folder: Path, shapes: Shapes, prefix: str, nearest: str) -> None:
    """A file whose names are the model's after a prefix that no layout has is refused with it and the nearest one."""
    state, _ = lora("down/up alpha kohya" if prefix.endswith("_") else "A/B", prefix)
    (problem,) = examined(folder, state, shapes).problems
    assert problem.what.startswith(f"has the unknown prefix {prefix[:20]}")
    assert nearest in problem.remedy
    assert len(problem.what) < 300


def test_a_dora_is_refused_by_its_name_in_every_layout(folder: Path, shapes: Shapes) -> None:
    """A DoRA is named as one, before any other complaint, whether its layout is known or not."""
    for prefix in ("lora_unet__", "lora_net_"):
        state, _ = lora("down/up alpha kohya", prefix)
        scaled = {name.replace(".alpha", ".dora_scale"): torch.ones(96) for name in state if name.endswith(".alpha")}
        problem = examined(folder, state | scaled, shapes).problems[0]
        assert problem.what == "is a DoRA, which is not loaded"


@given(st.lists(st.text(max_size=30)))
def test_any_names_are_paired_or_unexpected(names: list[str]) -> None:
    """Names of any kind are paired or unexpected, and never an error."""
    assert pair_up(names, {"layers.0.attention.to_q.weight": (4, 4)}) == ([], names)
