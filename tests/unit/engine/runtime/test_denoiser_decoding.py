"""Decoding beside the next step, as on a GPU: what was launched is waited for later."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from consumer.engine.protocol import Drop, Painted, StepDone
from consumer.engine.runtime import denoiser
from consumer.engine.runtime.decoder import arrange, decode
from consumer.engine.runtime.host_copies import HostCopies
from consumer.engine.runtime.model import Model
from tests.support.denoising import DenoiserSession, begun
from tests.support.samples import recipe_of

SHORT, LONG = recipe_of(steps=1, guidance_scale=0.0), recipe_of(steps=3, guidance_scale=0.0, seed=8)


@pytest.fixture
def log(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the device is given and what is waited for, where copies are done only once they are waited for."""
    log: list[str] = []
    flows = tiny.forward.flows

    class Later(HostCopies):
        def __init__(self, tensors: Any) -> None:
            super().__init__(tensors)
            log.append("decode")

        @property
        def done(self) -> bool:
            return False

        def wait(self) -> Any:
            log.append("wait")
            return super().wait()

    def launching(*arguments: Any) -> Any:
        log.append("step")
        return flows(*arguments)

    monkeypatch.setattr(denoiser, "HostCopies", Later)
    monkeypatch.setattr(tiny.forward, "flows", launching)
    return log


def test_a_decode_is_waited_for_behind_the_next_step(tiny: Model, log: list[str]) -> None:
    """The device has the next step when its results are waited for, and the picture need not wait for that step."""
    session = DenoiserSession(tiny)
    session.take(SHORT, LONG)
    session.finish()
    assert log == ["step", "decode", "step", "wait", "step", "decode", "wait"]
    assert sorted(session.pictures) == [0, 1]
    told = [reply for reply in session.replies if isinstance(reply, StepDone | Painted)]
    assert [(type(reply).__name__, reply.number) for reply in told[:4]] == [
        *(("StepDone", 0), ("StepDone", 1), ("Painted", 0), ("StepDone", 1))
    ]


def test_a_picture_in_the_decoder_is_still_blamed(tiny: Model, log: list[str]) -> None:
    """If the process dies now, what is being decoded may be the reason as well as what steps."""
    session = DenoiserSession(tiny)
    session.take(SHORT, LONG)
    session.work(3)
    assert log[:3] == ["step", "decode", "step"]
    assert session.batches == [(0, 1), (1, 0)]
    session.work(1)
    assert session.batches[-1] == (1,)


def test_a_picture_dropped_in_the_decoder_is_not_sent(tiny: Model, log: list[str]) -> None:
    """Nobody waits for it any more; the others go on."""
    session = DenoiserSession(tiny)
    session.take(SHORT, LONG)
    session.work(2)
    session.denoiser.take(Drop(0))
    session.finish()
    assert log.count("wait") == 2
    assert sorted(session.pictures) == [1]


def test_pictures_are_the_same(tiny: Model, log: list[str]) -> None:
    """When they are waited for changes no pixel."""
    session = DenoiserSession(tiny)
    session.take(SHORT, LONG, recipe_of(steps=2, width=96))
    session.finish()
    assert "wait" in log
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(denoiser, "HostCopies", HostCopies)
        at_once = DenoiserSession(tiny)
        at_once.take(SHORT, LONG, recipe_of(steps=2, width=96))
        at_once.finish()
    assert all(np.array_equal(session.pictures[number], picture) for number, picture in at_once.pictures.items())


@torch.no_grad()
def test_channels_last_changes_no_level_by_more_than_one(tiny: Model) -> None:
    """The decoder's weights in the order that CUDA reads give the same picture, to rounding."""
    latents = [begun(tiny, recipe_of(seed=seed)).latents for seed in range(2)]
    arranged = copy.deepcopy(tiny.vae)
    arrange(arranged)
    convolution = arranged.decoder.conv_in.weight
    assert convolution.is_contiguous(memory_format=torch.channels_last)
    usual, other = (decode(vae, latents).levels.int() for vae in (tiny.vae, arranged))
    assert int((usual - other).abs().max()) <= 1
