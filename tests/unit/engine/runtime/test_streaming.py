from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from consumer.engine.runtime import streaming
from consumer.engine.runtime.model import load_pipeline
from consumer.engine.runtime.streaming import stream_transformer
from consumer.engine.weights.source import own_source
from consumer.errors import Fatal
from tests.support.checkpoints import base_state
from tests.support.model_folders import shard

CPU, META = torch.device("cpu"), torch.device("meta")
FILE = "diffusion_pytorch_model.safetensors"
LARGE = {"dim": 1536, "n_layers": 8, "n_heads": 12, "n_kv_heads": 12, "axes_dims": [32, 48, 48]}
"""A transformer of 300 million numbers: 1.2 GB in fp32."""


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the transformer's folder, to change."""
    folder = tmp_path / "model" / "transformer"
    folder.mkdir(parents=True)
    for file in (tiny_model / "transformer").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return tmp_path / "model"


def same(model: Path, dtype: torch.dtype) -> bool:
    """Return whether the transformer has its file's tensors, all of them, in the dtype."""
    loaded = stream_transformer(model, CPU, dtype).state_dict()
    stored = base_state(model)
    return loaded.keys() == stored.keys() and all(
        torch.equal(tensor, stored[name].to(dtype)) for name, tensor in loaded.items()
    )


@pytest.mark.parametrize("chunk", [64, 4096, streaming.CHUNK_BYTES])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_every_tensor_is_the_files(
    model: Path, monkeypatch: pytest.MonkeyPatch, stored: torch.dtype, dtype: torch.dtype, chunk: int
) -> None:
    """In however many chunks and from whatever dtype, the transformer's numbers are the file's, rounded once."""
    monkeypatch.setattr(streaming, "CHUNK_BYTES", chunk)
    file = model / "transformer" / FILE
    save_file({name: tensor.to(stored) for name, tensor in load_file(file).items()}, file)
    assert same(model, dtype)


def test_shards_are_read_in_place_of_the_single_file(model: Path) -> None:
    """With an index beside a single file the shards count, as for diffusers; they hold other values."""
    before = base_state(model)
    shard(model, "transformer", "1.safetensors", "2.safetensors", keep=True)
    loaded = stream_transformer(model, CPU, torch.float32).state_dict()
    assert all(torch.equal(tensor, before[name] + 0.01) for name, tensor in loaded.items())


@pytest.mark.parametrize(
    "extra",
    [
        {"layers.0.attention.to_q.weight_scale": torch.ones(1)},
        {"layers.0.attention.to_q.weight": torch.ones(96, 96).to(torch.float8_e4m3fn)},
    ],
    ids=["scales", "fp8"],
)
def test_quantised_weights_are_refused(model: Path, extra: dict[str, torch.Tensor]) -> None:
    """Stored values that stand for others would be painted with as they are."""
    file = model / "transformer" / FILE
    save_file(load_file(file) | extra, file)
    with pytest.raises(Fatal, match="has a quantised transformer") as refused:
        stream_transformer(model, CPU, torch.float32)
    assert next(iter(extra)) in refused.value.message


def test_another_shape_is_refused(model: Path) -> None:
    """The error names the tensor and both shapes."""
    file = model / "transformer" / FILE
    save_file(load_file(file) | {"x_pad_token": torch.ones(1, 95)}, file)
    with pytest.raises(ValueError, match=r"x_pad_token is \(1, 95\) where its config.json says \(1, 96\)"):
        stream_transformer(model, CPU, torch.float32)


def test_a_file_that_shrinks_meanwhile_is_an_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are replaced while they are read are not half a model."""
    source = own_source(model)
    monkeypatch.setattr(streaming, "own_source", lambda _folder: source)
    file = model / "transformer" / FILE
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(OSError, match="has become shorter"):
        stream_transformer(model, CPU, torch.float32)


def test_weights_go_straight_to_the_device(tiny_model: Path) -> None:
    """Transformer and text encoder are loaded there, not moved there."""
    pipeline = load_pipeline(tiny_model, CPU, META)
    large = (pipeline.transformer, pipeline.text_encoder)
    assert {tensor.device.type for part in large for tensor in part.parameters()} == {"meta"}


@pytest.mark.slow
def test_main_memory_holds_a_chunk_at_a_time(model: Path, tmp_path: Path) -> None:
    """A file of 1.2 GB goes to another device in another dtype, and the process grows by a fraction of it."""
    folder = model / "transformer"
    config = json.loads((folder / "config.json").read_text()) | LARGE
    (folder / "config.json").write_text(json.dumps(config))
    (folder / FILE).unlink()
    program = tmp_path / "grow.py"
    program.write_text(GROWTH)
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, program, model], check=True, capture_output=True, text=True, timeout=300
    )
    stored, grown = map(int, done.stdout.split())
    assert stored > 1_000_000_000
    assert grown < 200_000_000


GROWTH = """
import json, resource, sys
from pathlib import Path
import diffusers, torch
from consumer.engine.runtime.streaming import stream_transformer
model = Path(sys.argv[1])
config = json.loads((model / "transformer" / "config.json").read_text())
with torch.device("meta"):
    shapes = {n: list(t.shape) for n, t in diffusers.ZImageTransformer2DModel.from_config(config).state_dict().items()}
header, end = {}, 0
for name, shape in shapes.items():
    begin, end = end, end + 4 * torch.Size(shape).numel()
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
text = json.dumps(header).encode()
with (model / "transformer" / "diffusion_pytorch_model.safetensors").open("wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    file.truncate(8 + len(text) + end)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stream_transformer(model, torch.device("meta"), torch.bfloat16)
print(end, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
