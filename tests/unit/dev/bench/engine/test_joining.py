"""How soon an editor's picture begins while others are being painted, with the tiny model."""

from __future__ import annotations

import pytest

from consumer.dev.bench.engine.corpus import requests_of
from consumer.dev.bench.engine.joining import OTHERS, Mark, join_denoiser, join_stock, joined
from consumer.dev.bench.engine.plan import EngineSide, PictureShape
from consumer.engine.protocol import Failed, Painted, Running, StepDone
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from schemas import Reason

REQUESTS = requests_of(PictureShape(64, 64, 6, 2.0), OTHERS + 1)


def test_the_denoiser_lets_it_in_with_the_next_step(tiny: Model) -> None:
    """Only the step of others that runs when it comes ends before its own first one."""
    join = join_denoiser(tiny, EngineSettings(), REQUESTS)
    assert (join.side, join.others_steps) == (EngineSide.DENOISER, 1)
    assert 0 < join.first_step_seconds < join.painted_seconds


def test_the_stock_pipeline_lets_it_in_when_the_batch_is_done(tiny: Model) -> None:
    """It comes in the fourth of six steps: that one and two more of others end before its own first one."""
    join = join_stock(tiny.pipeline, tiny.device, REQUESTS)
    assert (join.side, join.others_steps) == (EngineSide.AS_BATCH, 3)
    assert 0 < join.first_step_seconds < join.painted_seconds


def test_a_picture_that_fails_has_not_joined(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed picture ends this part of the bench rather than counting as fast."""
    add = Denoiser._add

    def fail(denoiser: Denoiser, command: object) -> None:
        add(denoiser, command)  # type: ignore[arg-type]  # passed on
        if denoiser._samples.keys() >= {OTHERS}:
            reply = Failed(OTHERS, Reason.NOT_FINITE, "no numbers", transient=False)
            denoiser._finish(denoiser._samples[OTHERS], reply)

    monkeypatch.setattr(Denoiser, "_add", fail)
    with pytest.raises(Fatal, match="did not paint the editor's picture"):
        join_denoiser(tiny, EngineSettings(), REQUESTS)


@pytest.mark.parametrize(
    ("came", "others"),
    [(0.9, 2), (1.6, 1)],
    ids=["the step before is still running", "the step before was over, and was reported late"],
)
def test_a_gpu_a_step_ahead_counts_by_when_it_ends_steps(came: float, others: int) -> None:
    """The host launches a step in each unit and then reports the one before it: what counts is the device's clock."""
    replies: list[Mark] = [
        (0, 0.1, Running((0, 1))),
        (1, 1.7, StepDone(0, 1, 3)),
        (2, 2.1, Running((9,))),
        (2, 2.8, StepDone(0, 2, 3)),
        (3, 3.1, StepDone(9, 1, 1)),
        (3, 3.4, Painted(9, 1, 1, b"rgb", 1.0)),
    ]
    join = joined(replies, [1.0, 2.0, 3.0, 3.3], number=9, came=came)
    assert join.others_steps == others
    assert join.first_step_seconds == pytest.approx(3.0 - came)
    assert join.painted_seconds == pytest.approx(3.4 - came)
