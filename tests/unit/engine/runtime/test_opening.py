from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from consumer.engine.runtime import warmup
from consumer.engine.runtime.model import CALL_TOKENS, Model
from consumer.engine.runtime.opening import open_model
from consumer.engine.runtime.warmup import MAX_CALL_TOKENS, measure_call_tokens, warm_up
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from schemas import Reason

pytestmark = pytest.mark.slow


def test_a_model_is_measured_and_warm_before_it_is_ready(tiny_model: Path) -> None:
    """An opened model knows the fixed cost of a call and has painted."""
    model = open_model(EngineSettings(model=tiny_model), "cpu")
    assert 0 <= model.call_tokens <= MAX_CALL_TOKENS
    assert model.transformer.rope_embedder.freqs_cis is not None


def test_without_a_folder_the_setting_is_named() -> None:
    """For a zimage engine without a model the error names the variable to set."""
    with pytest.raises(Fatal, match="LEADART_ENGINE__MODEL is not set") as fatal:
        open_model(EngineSettings(), "cpu")
    assert fatal.value.reason is Reason.MISCONFIGURED


@pytest.mark.parametrize(
    ("short", "long", "tokens"),
    [(0.010, 0.034, 389), (0.001, 0.256, 0), (0.010, 0.010, MAX_CALL_TOKENS), (0.011, 0.010, MAX_CALL_TOKENS)],
)
def test_the_fixed_cost_of_a_call(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, short: float, long: float, tokens: int
) -> None:
    """Two timings give it: the time of a call without the time of its tokens; never negative."""
    seconds = itertools.cycle([short, long])
    monkeypatch.setattr(warmup, "_seconds", lambda _model, _side, _pictures: next(seconds))
    assert measure_call_tokens(tiny) == tokens


def test_a_model_that_paints_nan_is_refused(tiny: Model, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that yields NaN ends the start with one message instead of failing every article."""
    forward = tiny.transformer.forward

    def poisoned(*arguments: Any, **options: Any) -> Any:
        (flows,) = forward(*arguments, **options)
        return ([flow * torch.nan for flow in flows],)

    monkeypatch.setattr(tiny.transformer, "forward", poisoned)
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
    forward = tiny.transformer.forward

    def noted(*arguments: Any, **options: Any) -> Any:
        turns.append("call")
        return forward(*arguments, **options)

    monkeypatch.setattr(tiny.transformer, "forward", noted)
    measure_call_tokens(tiny)
    assert turns[:2] == ["TRANSFORMER", "call"]


def test_a_fixed_cost_that_cannot_be_measured_has_a_default(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device too small for the long call starts all the same."""

    def full(*_arguments: Any, **_options: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(tiny.transformer, "forward", full)
    assert measure_call_tokens(tiny) == CALL_TOKENS
