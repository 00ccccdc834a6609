from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.opening import open_model
from consumer.engine.runtime.warmup import measure_token_seconds, warm_up
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from schemas import Reason

pytestmark = pytest.mark.slow


def test_a_model_is_measured_and_warm_before_it_is_ready(tiny_model: Path) -> None:
    """An opened model knows what a token costs and has painted."""
    model = open_model(EngineSettings(model=tiny_model), "cpu")
    assert 0 < model.token_seconds < 1
    assert model.transformer.rope_embedder.freqs_cis is not None


def test_without_a_folder_the_setting_is_named() -> None:
    """For a zimage engine without a model the error names the variable to set."""
    with pytest.raises(Fatal, match="LEADART_ENGINE__MODEL is not set") as fatal:
        open_model(EngineSettings(), "cpu")
    assert fatal.value.reason is Reason.MISCONFIGURED


def test_a_compiler_that_is_missing_ends_the_start(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to compile with nothing to compile with, it says so before it loads anything."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("consumer.engine.runtime.opening.load_pipeline", None)
    with pytest.raises(Fatal, match="LEADART_ENGINE__COMPILE needs a compiler"):
        open_model(EngineSettings(model=tiny_model, compile=True), "cpu")


def test_the_cost_of_a_token_is_that_of_the_best_call(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quickest of a few calls of four pictures counts: the others met a busy machine or cold memory."""
    clock = itertools.accumulate([0.0, 9.0, 0.0, 0.544, 0.0, 0.6, 0.0, 7.0, 0.0, 7.0])
    monkeypatch.setattr("consumer.engine.runtime.warmup.time.perf_counter", lambda: next(clock))
    assert measure_token_seconds(tiny) == pytest.approx(0.544 / (4 * (16 * 16 + 32)))


def test_a_model_that_paints_nan_is_refused(tiny: Model, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that yields NaN ends the start with one message instead of failing every article."""
    flows = tiny.forward.flows

    def poisoned(*arguments: Any) -> Any:
        return [flow * torch.nan for flow in flows(*arguments)]

    monkeypatch.setattr(tiny.forward, "flows", poisoned)
    with pytest.raises(Fatal, match="cannot paint") as fatal:
        warm_up(tiny, EngineSettings(), tiny_model)
    assert fatal.value.reason is Reason.MODEL_UNAVAILABLE


def test_a_warm_up_that_does_not_fit_is_no_error(
    tiny: Model, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device too small for the usual size may still serve smaller ones."""

    def full(*_arguments: Any, **_options: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(tiny.vae, "decode", full)
    warm_up(tiny, EngineSettings(), tiny_model)


def test_the_text_encoder_makes_room_before_the_first_call(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where parts take turns on the device, the transformer is activated before its cost is measured."""
    turns: list[str] = []
    monkeypatch.setattr(tiny.placement, "activate", lambda part: turns.append(part.name))
    flows = tiny.forward.flows

    def noted(*arguments: Any) -> Any:
        turns.append("call")
        return flows(*arguments)

    monkeypatch.setattr(tiny.forward, "flows", noted)
    measure_token_seconds(tiny)
    assert turns[:2] == ["TRANSFORMER", "call"]


def test_a_cost_that_cannot_be_measured_limits_nothing(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device too small for the long call starts all the same."""

    def full(*_arguments: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(PackedForward, "flows", full)
    assert measure_token_seconds(tiny) == 0
