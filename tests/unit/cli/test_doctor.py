"""`leadart doctor weights`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from consumer.cli import app
from consumer.engine.runtime.tiny import build_tiny_model
from tests.support.checkpoints import base_state, fine_tuned, original, write
from tests.support.model_folders import shard


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    build_tiny_model(folder)
    return folder


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    file = tmp_path / "ink.safetensors"
    name = "lora_unet_layers_0_attention_qkv"
    save_file({f"{name}.lora_down.weight": torch.ones(2, 96), f"{name}.lora_up.weight": torch.ones(288, 2)}, file)
    return file


def doctor(*words: object) -> Result:
    return CliRunner().invoke(app, ["doctor", "weights", *map(str, words)])


def test_a_checkpoint_that_fits_is_said_to(model: Path, tmp_path: Path) -> None:
    """Exit status 0, the coverage by block, and the file's hash."""
    file = write(tmp_path, original(fine_tuned(model)), "model.diffusion_model.")
    done = doctor(file, "--model", model)
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "coverage 73 of the model's tensors, 73 in all: 100 %" in lines
    assert "as checkpoint, layout: original, prefix: model.diffusion_model., dtypes: F32 (65)" in lines
    assert "layers.0 to 1 15 of 15 each" in lines
    assert lines[-1] == "verdict the worker would load it"


def test_the_model_may_come_from_the_settings(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LEADART_ENGINE__MODEL stands for --model; with neither it is a mistake in the command, and the help for it."""
    file = write(tmp_path, fine_tuned(model))
    nothing = doctor(file)
    assert nothing.exit_code == 2
    assert "--model FOLDER, or LEADART_ENGINE__MODEL" in nothing.stderr
    monkeypatch.setenv("LEADART_ENGINE__MODEL", str(model))
    assert doctor(file).exit_code == 0
    monkeypatch.setenv("LEADART_ENGINE__WEIGHTS_SHA256", "0" * 64)
    assert doctor(file).exit_code == 1


def test_a_partial_checkpoint_is_refused_but_as_overlay(model: Path, tmp_path: Path) -> None:
    """What is missing is listed, up to a dozen; with --overlay it is let in, and 100 % is not said of it."""
    state = {name: tensor for name, tensor in fine_tuned(model).items() if not name.startswith("layers.0.")}
    file = write(tmp_path, state)
    refused = doctor(file, "--model", model)
    assert refused.exit_code == 1
    assert "missing      layers.0.adaLN_modulation.0.bias" in refused.stdout
    assert "missing      and 3 more; --json lists all" in refused.stdout
    assert "LEADART_ENGINE__OVERLAY=true" in refused.stdout
    assert refused.stdout.endswith("verdict      refused\n")
    overlay = doctor(file, "--model", model, "--overlay")
    assert overlay.exit_code == 0
    assert "58 of the model's tensors, 73 in all: 79.4 %" in overlay.stdout


def test_nan_is_found_without_torch(model: Path, tmp_path: Path) -> None:
    """The payload is read too: what would end the worker's start ends here."""
    state = fine_tuned(model, torch.bfloat16)
    state["x_pad_token"][0, 5] = torch.nan
    done = doctor(write(tmp_path, state), "--model", model)
    assert done.exit_code == 1
    assert "not finite   x_pad_token" in done.stdout


def test_a_lora_is_a_lora(model: Path, lora: Path) -> None:
    """As an adapter it is let in, as the base it is refused, and the sentence says where it belongs."""
    good = doctor(lora, "--model", model, "--as", "lora")
    assert good.exit_code == 0
    assert "2 of its tensors take effect, 2 in all: 100 %" in good.stdout
    bad = doctor(lora, "--model", model)
    assert bad.exit_code == 1
    assert "LEADART_ENGINE__ADAPTERS" in bad.stdout


def test_json_has_all_of_it(model: Path, lora: Path, tmp_path: Path) -> None:
    """With --json there is one object on stdout, for a file that can be compared and for one that cannot."""
    report = json.loads(doctor(lora, "--model", model, "--as", "lora", "--json").stdout)
    assert (report["accepted"], report["coverage"], report["kind"], len(report["sha256"])) == (True, 1.0, "adapter", 64)
    (tmp_path / "old.ckpt").write_bytes(b"\x80\x02")
    done = doctor(tmp_path / "old.ckpt", "--model", model, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["accepted"] is False
    assert "was not read" in report["problems"][0]["what"]


def test_a_file_that_is_none_is_one_sentence(model: Path, tmp_path: Path) -> None:
    """A missing file is one sentence on stderr, without a report."""
    done = doctor(tmp_path / "nothing.safetensors", "--model", model)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr


def test_an_incomplete_base_is_not_made_up_for(model: Path, tmp_path: Path) -> None:
    """A whole checkpoint over a base that lacks a tensor would not be loaded, and neither would a LoRA."""
    base = shutil.copytree(model, tmp_path / "base")
    state = base_state(base)
    del state["x_pad_token"]
    save_file(state, base / "transformer" / "diffusion_pytorch_model.safetensors")
    done = doctor(write(tmp_path, fine_tuned(model)), "--model", base)
    assert done.exit_code == 1
    assert "lacks 1 tensors of its transformer: x_pad_token" in done.stderr


def test_a_model_that_the_worker_refuses_is_not_passed(model: Path, tmp_path: Path) -> None:
    """A good checkpoint over a folder whose text encoder names a pickle would not be loaded."""
    folder = shutil.copytree(model, tmp_path / "model")
    shard(folder, "text_encoder", "pytorch_model.bin", keep=True)
    done = doctor(write(tmp_path, fine_tuned(model)), "--model", folder)
    assert done.exit_code == 1
    assert "names pytorch_model.bin, which is not a .safetensors file beside it" in done.stderr


def test_a_lora_that_does_nothing_is_refused(model: Path, lora: Path) -> None:
    """The matrices that are zero are listed, and 100 % is not said."""
    name = "lora_unet_layers_0_attention_qkv"
    save_file({f"{name}.lora_down.weight": torch.ones(2, 96), f"{name}.lora_up.weight": torch.zeros(288, 2)}, lora)
    done = doctor(lora, "--model", model, "--as", "lora")
    assert done.exit_code == 1
    assert f"no effect    {name}.lora_up.weight" in done.stdout
    assert "0 of its tensors take effect, 2 in all: 0 %" in done.stdout
    assert "has matrices that do nothing" in done.stdout


def test_names_do_not_move_the_cursor(model: Path, tmp_path: Path) -> None:
    """A tensor's name is from outside: escape sequences in it are shown."""
    file = write(tmp_path, {**fine_tuned(model), "\x1b[2Jevil": torch.ones(1)})
    done = doctor(file, "--model", model)
    assert "unexpected   \\x1b[2Jevil" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_doctor_itself_still_examines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a subcommand it examines everything, with its own options."""
    from consumer.admin.doctor import CheckResult, CheckStatus  # noqa: PLC0415

    async def run_checks(_settings: object) -> list[CheckResult]:
        return [CheckResult("engine", CheckStatus.FAILURE, "broken")]

    monkeypatch.setattr("consumer.admin.doctor.run_checks", run_checks)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [{"subject": "engine", "verdict": "failure", "message": "broken"}]
