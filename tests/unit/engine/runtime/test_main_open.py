from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.protocol import Open, Ready, Reply
from consumer.engine.runtime import background, compiling, main
from consumer.engine.runtime.opening import open_model
from consumer.engine.weights import identify_model
from consumer.engine.weights.identity import checkpoint_sha256
from consumer.errors import Fatal
from consumer.jobs import Adapter
from consumer.settings import EngineSettings
from tests.support.checkpoints import fine_tuned, original, write


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path) -> EngineSettings:
    """A model with a partial checkpoint and one adapter."""
    tuned = {name: tensor for name, tensor in fine_tuned(tiny_model).items() if name.startswith("layers.")}
    (tmp_path / "loras").mkdir()
    module = "layers.0.feed_forward.w2"
    lora = {f"{module}.lora_A.weight": torch.ones(2, 256), f"{module}.lora_B.weight": torch.ones(96, 2)}
    save_file(lora, tmp_path / "loras" / "ink.safetensors")
    weights = write(tmp_path, original(tuned))
    return EngineSettings(model=tiny_model, weights=weights, overlay=True, adapters=tmp_path / "loras")


def opened(settings: EngineSettings) -> list[Reply]:
    """Return the engine process's replies while it opens."""
    said: list[Reply] = []
    main._open(Open(settings, "cpu", 1.0), said.append, lambda _errand: None)
    return said


def test_the_engine_reports_what_it_loaded(settings: EngineSettings, tmp_path: Path) -> None:
    """`Ready` names the checkpoint, its coverage of the model, the adapters, and the kernels."""
    (ready,) = opened(settings)
    assert isinstance(ready, Ready)
    assert (ready.model.name, ready.model.coverage) == ("spring", 30 / 73)
    assert ready.model.sha256 == identify_model(settings).sha256
    assert ready.adapters == (Adapter("ink", checkpoint_sha256(tmp_path / "loras" / "ink.safetensors")),)
    assert ready.kernels == "plain"


def test_the_engine_refuses_before_it_loads(settings: EngineSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems in the headers end the start before anything is loaded; a wrong SHA-256 ends it at last."""
    with pytest.raises(Fatal, match=f"has SHA-256 [0-9a-f]+, not {'0' * 64}"):
        opened(settings.model_copy(update={"weights_sha256": "0" * 64}))
    monkeypatch.setattr("consumer.engine.runtime.opening.open_model", None)
    with pytest.raises(Fatal, match="covers 30 of the model's 73 tensors"):
        opened(settings.model_copy(update={"overlay": False}))


@pytest.mark.parametrize("wanted", [True, False, None])
def test_compiling_begins_once_it_is_ready(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, *, wanted: bool | None
) -> None:
    """A CPU compiles only if told to, in the background, and hands over to the thread that paints."""
    begun: list[Any] = []
    monkeypatch.setattr(compiling, "require_compiler", lambda *_arguments: None)
    monkeypatch.setattr(background, "compile_beside", lambda _model, *where: begun.append((list(said), *where)))
    said: list[Reply] = []
    later: list[Any] = []
    send, between_units = said.append, later.append
    main._open(Open(EngineSettings(model=tiny_model, compile=wanted), "cpu", 1.0), send, between_units)
    assert begun == ([(said, send, between_units)] if wanted else [])
    assert [type(reply) for reply in said] == [Ready]


def test_missing_libraries_are_a_sentence(tiny_model: Path) -> None:
    """Where torch is not installed, the engine process starts all the same and says what to install."""
    script = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path; from consumer.engine import protocol\n"
        "from consumer.engine.runtime import main; from consumer.settings import EngineSettings\n"
        f"main._open(protocol.Open(EngineSettings(model=Path({str(tiny_model)!r})), 'cpu', 1.0), print, print)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own words
    assert "Fatal: The engine's libraries are not installed" in done.stderr
    assert "pip install 'leadart[engine]'" in done.stderr


def test_the_model_switches_adapters(settings: EngineSettings) -> None:
    """A step's adapters take part with their scale, and are inactive in the next step without any."""
    model = open_model(settings, "cpu")
    module = model.transformer.layers[0].feed_forward.w2
    given = torch.rand(3, 256)
    with torch.no_grad():
        plain = module(given)
        model.activate_transformer((Adapter("ink", "", 0.5),))
        added = 0.5 * given @ torch.ones(256, 2) @ torch.ones(2, 96)
        assert torch.allclose(module(given), plain + added, atol=1e-3)
        model.activate_transformer(())
        assert torch.equal(module(given), plain)
    with pytest.raises(LookupError):
        model.activate_transformer((Adapter("oil", ""),))
