"""Compiling beside the painting, with a compiler that ends when the test lets it."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest
import torch

from consumer.engine.protocol import Beat, Compiled, Paint, Painted
from consumer.engine.runtime import background, main
from consumer.engine.runtime.background import compile_beside, compile_now
from consumer.engine.runtime.compiled import CompiledParts
from consumer.engine.runtime.decoder import decode_pass
from consumer.engine.runtime.model import Model
from consumer.jobs import Lane
from consumer.settings import MemoryPolicy
from tests.support.denoising import DenoiserSession
from tests.support.samples import recipe_of

PICTURE = Paint(0, recipe_of(steps=1, guidance_scale=0.0), Lane.LIVE)
SECONDS = 60.0


class Compiling:
    """A model that is being compiled beside a session, until `end`."""

    def __init__(self, model: Model, patch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        patch.setattr(model, "decode_pass", decode_pass)  # and is put back
        patch.setattr(model, "forward", model.forward)
        patch.setattr(background, "compile_parts", self._compile)
        self.decoded = 0
        self.session = DenoiserSession(model)
        self.inbox: Any = SimpleQueue()
        self._error, self._may_end = error, Event()
        self._thread: Thread = compile_beside(model, self.session.replies.append, self.inbox.put)

    def turn(self) -> None:
        """Let the painting thread do a unit of work; without any it waits for nothing."""
        main._turn(self.session.denoiser, self.inbox, self.session.replies.append, 0.0)

    def paint(self) -> list[Any]:
        """Paint a picture; return the replies."""
        self.session.replies.clear()
        self.inbox.put(PICTURE)
        self.turn()
        while self.session.denoiser.busy:
            self.turn()
        return self.session.replies

    def end(self) -> None:
        """Let compiling end, and wait for it."""
        self._may_end.set()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _compile(self, _model: Model) -> CompiledParts:
        assert self._may_end.wait(SECONDS)
        if self._error:
            raise self._error
        return CompiledParts(self._counting, None)

    def _counting(self, vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.decoded += 1
        return decode_pass(vae, latents)


def test_pictures_are_painted_while_it_compiles(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the compiler; once it has ended, the next unit of work is done with what it made."""
    compiling = Compiling(tiny, monkeypatch)
    assert [type(reply) for reply in compiling.paint()][-1] is Painted
    assert compiling.decoded == 0
    compiling.end()
    assert tiny.decode_pass is decode_pass
    first, *_, last = compiling.paint()
    assert isinstance(first, Compiled)
    assert (first.parts, first.failure) == ("decoder", "")
    assert isinstance(last, Painted)
    assert compiling.decoded == 1


def test_an_idle_engine_takes_it_over_at_once(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends while nothing is painted needs no picture to be taken over: it wakes the thread that waits."""
    compiling = Compiling(tiny, monkeypatch)
    compiling.end()
    main._turn(compiling.session.denoiser, compiling.inbox, compiling.session.replies.append, SECONDS)
    assert [type(reply) for reply in compiling.session.replies] == [Compiled, Beat]
    assert tiny.decode_pass is not decode_pass


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no memory"), RuntimeError("no\nkernel"), torch.AcceleratorError("lost")]
)
def test_a_failure_changes_nothing(tiny: Model, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever the compiler says, it is reported in a line, and pictures are painted as before."""
    compiling = Compiling(tiny, monkeypatch, error)
    forward = tiny.forward
    compiling.end()
    first, *_, last = compiling.paint()
    assert isinstance(first, Compiled)
    assert (first.parts, first.failure) == ("", f"{type(error).__name__}: {error}".splitlines()[0])
    assert isinstance(last, Painted)
    assert (tiny.decode_pass, tiny.forward) == (decode_pass, forward)


def test_weights_that_began_to_move_are_painted_with_uncompiled(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled for weights on the device is dropped when memory has run out meanwhile."""
    compiling = Compiling(tiny, monkeypatch)
    monkeypatch.setattr(tiny.placement, "policy", MemoryPolicy.OFFLOAD)
    compiling.end()
    compiling.turn()
    (reply,) = (reply for reply in compiling.session.replies if isinstance(reply, Compiled))
    assert (reply.parts, reply.failure) == ("", "weights were moved off the device meanwhile")
    assert tiny.decode_pass is decode_pass


def test_the_bench_waits_for_it(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled on the caller's thread, the model paints with it afterwards, and it is said how it went."""
    parts = CompiledParts(partial(decode_pass), tiny.forward)
    monkeypatch.setattr(tiny, "decode_pass", decode_pass)
    monkeypatch.setattr(background, "compile_parts", lambda _model: parts)
    said = compile_now(tiny)
    assert (said.parts, said.failure) == ("decoder, kernels", "")
    assert tiny.decode_pass is parts.whole
