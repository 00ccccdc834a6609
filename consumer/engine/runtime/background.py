"""Compiling beside the painting: on a thread of its own, while pictures are painted without it."""

from __future__ import annotations

import time
import traceback
from threading import Thread
from typing import TYPE_CHECKING

from consumer.engine import protocol
from consumer.engine.runtime.compiled import CompiledParts, compile_parts, take_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.engine.runtime.model import Model

_OFFLOADED = "weights were moved off the device meanwhile"


def compile_now(model: Model) -> protocol.Compiled:
    """Compile the model on this thread and paint with it from now on, unless that fails; return how it went."""
    begun = time.monotonic()
    return _settle(model, _compile(model), begun)


def compile_beside(
    model: Model, send: Callable[[protocol.Reply], None], between_units: Callable[[Callable[[], None]], object]
) -> Thread:
    """Begin to compile the model on a thread, and return that.

    Once it has ended, `between_units` gets what is to be run between two units of painting: it has the model paint with
    what is compiled, unless that failed, and sends how it went.
    """
    begun = time.monotonic()

    def run() -> None:
        compiled = _compile(model)
        between_units(lambda: send(_settle(model, compiled, begun)))

    thread = Thread(target=run, name="compiler", daemon=True)
    thread.start()
    return thread


def _compile(model: Model) -> CompiledParts | str:
    """Return the compiled parts, or why there are none: whatever it was, painting goes on without them."""
    try:
        return compile_parts(model)
    except Exception as error:  # noqa: BLE001 - as the docstring says; reported here and to the parent
        traceback.print_exc()
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _settle(model: Model, compiled: CompiledParts | str, begun: float) -> protocol.Compiled:
    seconds = round(time.monotonic() - begun, 1)
    if isinstance(compiled, str):
        return protocol.Compiled("", seconds, compiled)
    if not take_over(model, compiled):
        return protocol.Compiled("", seconds, _OFFLOADED)
    return protocol.Compiled(compiled.words, seconds)
