from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from consumer.engine.protocol import Drop, Painted, Running, StepDone
from consumer.engine.runtime.model import Model
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from schemas import Reason
from tests.support.denoising import DenoiserSession
from tests.support.samples import recipe_of


class CallCounter:
    """Wraps the model's forward pass: counts its calls and can run an action in them."""

    def __init__(self, model: Model, patch: pytest.MonkeyPatch, deed: Callable[[int, int], None] | None = None) -> None:
        self.sequences: list[int] = []
        flows = model.forward.flows

        def watched(latents: list[torch.Tensor], *arguments: Any) -> Any:
            self.sequences.append(len(latents))
            if deed:
                deed(len(self.sequences), len(latents))
            return flows(latents, *arguments)

        patch.setattr(model.forward, "flows", watched)


def test_two_different_pictures_share_a_call(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """With different size, prompt, steps and guidance there is still one call of the transformer per step of both."""
    watched = CallCounter(tiny, monkeypatch)
    session = DenoiserSession(tiny)
    session.take(recipe_of(steps=3), recipe_of(width=96, prompt="港口", steps=5, guidance_scale=0.0))
    session.finish()
    assert watched.sequences == [3, 3, 3, 1, 1]
    assert sorted(session.pictures) == [0, 1]


def test_steps_are_reported_one_by_one(tiny: Model) -> None:
    """`Running` precedes the steps, each step is reported, and each picture arrives once its own steps are done."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(steps=2), recipe_of(steps=3, seed=8))
    session.finish()
    assert session.replies[:5] == [
        Running((0, 1)),
        StepDone(0, 1, 2),
        StepDone(1, 1, 3),
        StepDone(0, 2, 2),
        StepDone(1, 2, 3),
    ]
    assert session.steps_of(1) == [1, 2, 3]
    assert [type(reply).__name__ for reply in session.replies[5:]] == ["Painted", "Running", "StepDone", "Painted"]


def test_a_higher_lane_joins_at_the_next_step(tiny: Model) -> None:
    """Under a full load of backfill an interactive picture takes the very next step; parked pictures go on after it."""
    session = DenoiserSession(tiny, EngineSettings(batch_size=2))
    session.take(*(recipe_of(seed=seed, steps=6) for seed in range(4)), lane=Lane.BACKFILL)
    session.work(2)
    session.take(recipe_of(prompt="now", steps=2), lane=Lane.INTERACTIVE, first=9)
    session.work(1)
    assert session.batches == [(0, 1), (9,)]
    session.finish()
    assert session.steps_of(1) == [1, 2, 3, 4, 5, 6]
    assert sorted(session.pictures) == [0, 1, 2, 3, 9]


@pytest.mark.parametrize(("seconds", "together"), [(0.5, 4), (0.25, 2), (0.01, 1)])
def test_a_step_of_several_is_bounded_in_seconds(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, seconds: float, together: int
) -> None:
    """By what a token was measured to cost, no more pictures share a step than it may last; one alone always steps."""
    sequence = 4 * 4 + 16 + 32  # tokens of a picture of 64x64 and a short prompt, each padded to 32
    monkeypatch.setattr(tiny, "token_seconds", 0.125 / sequence)
    session = DenoiserSession(tiny, EngineSettings(step_seconds=seconds))
    session.take(*(recipe_of(seed=seed, prompt="a storm", guidance_scale=0.0) for seed in range(9)))
    session.work(1)
    assert session.batches == [tuple(range(together))]


def test_a_dropped_picture_stops_at_the_next_step(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped before it began or halfway, a picture takes no further step, and the others in its batch go on."""
    watched = CallCounter(tiny, monkeypatch)
    session = DenoiserSession(tiny)
    session.take(recipe_of(steps=5), recipe_of(steps=5, seed=8), recipe_of(seed=9))
    session.denoiser.take(Drop(2))
    session.work(2)
    session.denoiser.take(Drop(1))
    session.denoiser.take(Drop(99))
    session.finish()
    assert watched.sequences == [4, 4, 2, 2, 2]
    assert (session.steps_of(1), session.steps_of(2)) == ([1, 2], [])
    assert sorted(session.pictures) == [0]


def test_with_all_pictures_dropped_it_is_not_busy(tiny: Model) -> None:
    """Once its last picture is dropped the denoiser is not busy."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(steps=5))
    session.work(1)
    session.denoiser.take(Drop(0))
    assert not session.denoiser.busy


def test_a_suspect_is_painted_alone(tiny: Model) -> None:
    """A picture that may have ended a process shares no step, so that no other picture is blamed the next time."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(), recipe_of(seed=8))
    session.take(recipe_of(seed=9), first=5, lane=Lane.INTERACTIVE, alone=True)
    session.finish()
    assert session.batches == [(5,), (0, 1)]


def test_prompt_negative_and_seed_all_show(tiny: Model) -> None:
    """Even with random weights no picture is plain, and each input changes it by far more than rounding does."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(), recipe_of(prompt="a library"), recipe_of(negative_prompt="anime"), recipe_of(seed=8))
    session.finish()
    first, *others = (session.pictures[number].astype(int) for number in range(4))
    assert first.std() > 20
    assert all(abs(first - other).max() > 8 for other in others)


@pytest.mark.parametrize(("width", "height", "reason"), [(72, 64, Reason.NOT_PAINTED), (64, 8208, Reason.TOO_LARGE)])
def test_sizes_beyond_the_model_are_refused_unpainted(tiny: Model, width: int, height: int, reason: Reason) -> None:
    """A size that would index past the model's tables never reaches the device, where it would end the process."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(width=width, height=height))
    assert not session.denoiser.busy
    assert (session.failures[0].reason, session.failures[0].field) == (reason, "output")
    assert f"{width}x{height}" in session.failures[0].message


def test_a_size_that_is_refused_is_the_one_that_was_asked_for(tiny: Model) -> None:
    """A publisher does not know at which multiple of 16 it would have been painted."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(width=64, height=8208, trimmed=(64, 8200)))
    assert "not 64x8200" in session.failures[0].message


def test_a_cut_prompt_is_reported(tiny: Model) -> None:
    """`prompt_cut` says that only the beginning of the prompt was read."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(prompt="a quiet library " * 200), recipe_of())
    session.finish()
    assert {reply.number: reply.prompt_cut for reply in session.of(Painted)} == {0: True, 1: False}


def test_a_failing_picture_fails_alone(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad picture fails as transient, the other one is painted; the log has the cause, the message no prompt text."""

    def choke(call: int, sequences: int) -> None:
        del call
        if sequences in {3, 1}:
            raise ValueError("cannot digest: bad")

    CallCounter(tiny, monkeypatch, choke)
    session = DenoiserSession(tiny)
    session.take(recipe_of(), recipe_of(guidance_scale=0.0, prompt="bad"))
    session.finish()
    assert sorted(session.pictures) == [0]
    assert (session.failures[1].reason, session.failures[1].transient) == (Reason.ENGINE_FAILED, True)
    assert "ValueError" in session.failures[1].message
    assert "bad" not in session.failures[1].message
    assert "cannot digest" in capsys.readouterr().err


def test_latents_that_are_not_finite_fail_alone(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of NaN is rejected, and the good one beside it is delivered of the same decode."""
    forward, decoded = tiny.forward.flows, list[int]()

    def poisoned(*arguments: Any) -> Any:
        flows = forward(*arguments)
        flows[1][0, 0, 0] = float("nan")
        return flows

    decode = tiny.vae.decode

    def counting(latents: torch.Tensor, **options: Any) -> Any:
        decoded.append(1)
        return decode(latents, **options)

    monkeypatch.setattr(tiny.forward, "flows", poisoned)
    monkeypatch.setattr(tiny.vae, "decode", counting)
    session = DenoiserSession(tiny)
    session.take(recipe_of(guidance_scale=0.0, steps=1), recipe_of(guidance_scale=0.0, steps=1, seed=8))
    session.finish()
    assert sorted(session.pictures) == [0]
    assert (session.failures[1].reason, session.failures[1].transient) == (Reason.NOT_FINITE, False)
    assert len(decoded) == 1


def test_a_decoder_of_nan_is_caught_too(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels that are not finite are rejected like latents."""
    monkeypatch.setattr(
        tiny.vae, "decode", lambda latents, **_: (torch.full((1, 3, 64, 64), torch.nan) + 0 * latents.sum(),)
    )
    session = DenoiserSession(tiny)
    session.take(recipe_of())
    assert session.finish().failures[0].reason is Reason.NOT_FINITE


def test_a_lost_device_ends_the_work(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sticky device error nothing more is tried in this process: the error is raised."""

    def lose(_call: int, _sequences: int) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    watched = CallCounter(tiny, monkeypatch, lose)
    session = DenoiserSession(tiny)
    session.take(recipe_of(), recipe_of())
    with pytest.raises(torch.AcceleratorError):
        session.finish()
    assert len(watched.sequences) == 1


def test_a_text_that_cannot_be_read_fails_alone(tiny: Model) -> None:
    """Half a surrogate pair, which no tokenizer reads, fails its own picture and not the process."""
    session = DenoiserSession(tiny)
    session.take(recipe_of(prompt="broken \ud800"), recipe_of())
    assert sorted(session.finish().pictures) == [1]
    assert session.failures[0].reason is Reason.ENGINE_FAILED


def test_equal_prompts_are_embedded_once(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants and the constant negative prompt need no further call of the text encoder, and no text is padded."""
    lengths: list[int] = []
    forward = tiny.pipeline.text_encoder.forward

    def counting(input_ids: torch.Tensor, **options: Any) -> Any:
        lengths.append(input_ids.shape[1])
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(tiny.pipeline.text_encoder, "forward", counting)
    session = DenoiserSession(tiny)
    session.take(*(recipe_of(seed=seed) for seed in range(9)), recipe_of(prompt="other"))
    session.finish()
    assert len(lengths) == 3
    assert max(lengths) < 64
