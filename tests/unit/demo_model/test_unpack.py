"""A model that ships is enough to go on training from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline
from safetensors.torch import load_file

import unpack
from codec import open_basis
from train import finish


def test_what_is_unpacked_is_packed_into_the_same_painter(demo_model: Path, tmp_path: Path) -> None:
    """A folder made of the model gives the model again: transformer, text encoder and decoder to the last bit."""
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    pipeline = ZImagePipeline.from_pretrained(demo_model, dtype=torch.float32)
    unpack.unpack(pipeline, Namespace(work=work, steps=3, minutes=1.0, decoder_steps=2, decoder_minutes=1.0))
    finish(work, out, open_basis(work / "basis.npz", np.empty((0, 8, 8, 3), np.uint8)))

    for part in ("transformer", "text_encoder", "vae"):
        name = "model.safetensors" if part == "text_encoder" else "diffusion_pytorch_model.safetensors"
        before, after = load_file(demo_model / part / name), load_file(out / part / name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith("encoder."))


def test_a_folder_with_checkpoints_is_left_alone(
    demo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hours of training are not overwritten by mistake."""
    (tmp_path / "painter.pt").write_bytes(b"hours")
    command = ["unpack.py", "--model", str(demo_model), "--work", str(tmp_path), "--steps", "1", "--minutes", "1"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        unpack.main()

    assert "has checkpoints already" in capsys.readouterr().err
    assert (tmp_path / "painter.pt").read_bytes() == b"hours"
