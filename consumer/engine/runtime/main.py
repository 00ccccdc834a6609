"""The engine's process: `python -m consumer.engine.runtime.main`, started by the supervisor and by nobody else.

It speaks `consumer.engine.protocol` on the pipes it finds as stdin and stdout, paints on its main thread, and lives
exactly as long as its parent holds the other end: when stdin ends it exits at once, in the middle of a step if need be.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NoReturn

from consumer.engine.protocol import Beat, Frames, Open, Ready, Refused, frame
from consumer.engine.weights import check_folder, examine_custom_weights, identify_model, unavailable
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.engine.protocol import Command, EngineRequest, Reply
    from consumer.engine.runtime.denoiser import Denoiser

_PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    """Run until the parent lets go. Exit status 1 after an error: its traceback is on stderr."""
    _ignore_signals()
    _die_with_parent()
    orders, replies = _claim_pipes()
    inbox: SimpleQueue[EngineRequest] = SimpleQueue()
    Thread(target=_receive, args=(orders, inbox), name="inbox", daemon=True).start()
    try:
        _run(inbox, lambda reply: _write(replies, frame(reply)))
    except BaseException:  # noqa: BLE001 - the end of the process: said, then left
        traceback.print_exc()
    # Past the interpreter's shutdown: destructors of a lost CUDA context may hang.
    sys.stderr.flush()
    os._exit(1)


def _ignore_signals() -> None:
    """Ctrl-C reaches the whole terminal group, and systemd signals the whole unit: when to end is the parent's word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _die_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent dies: the end of stdin needs the interpreter's lock to be noticed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _claim_pipes() -> tuple[int, int]:
    """Keep the pipes to ourselves; what a library prints goes to stderr instead of into the protocol."""
    orders, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, replies


def _receive(orders: int, inbox: SimpleQueue[EngineRequest]) -> NoReturn:
    frames: Frames[EngineRequest] = Frames()
    try:
        while data := os.read(orders, 65_536):
            for request in frames.feed(data):
                inbox.put(request)
    except Exception:  # noqa: BLE001 - said before the process ends
        traceback.print_exc()
    os._exit(0)


def _write(replies: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(replies, rest) :]


def _run(inbox: SimpleQueue[EngineRequest], say: Callable[[Reply], None]) -> None:
    opening = inbox.get()
    if not isinstance(opening, Open):
        raise TypeError(f"The first message was {type(opening).__name__}, not Open")
    try:
        denoiser = _open(opening, say)
    except Fatal as error:
        say(Refused(error.reason, error.message))
        return
    while True:
        for order in _new(inbox, 0 if denoiser.busy else opening.beat_seconds):
            denoiser.take(order)
        if denoiser.busy:
            denoiser.work()
        else:
            say(Beat())


def _open(request: Open, say: Callable[[Reply], None]) -> Denoiser:
    """Load the model and say Ready. Raises Fatal."""
    settings = request.settings
    if settings.model is None:
        raise Fatal(Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set")
    check_folder(settings.model)
    examine_custom_weights(settings)
    with ThreadPoolExecutor(1, thread_name_prefix="identify") as beside:
        identity = beside.submit(identify_model, settings)
        gc.disable()  # the imports make a million objects that stay: collecting among them costs a sixth of the start
        try:
            from consumer.engine.runtime.denoiser import Denoiser  # noqa: PLC0415 - seconds of imports, after the checks
            from consumer.engine.runtime.opening import open_model  # noqa: PLC0415 - likewise
        except ImportError as error:
            message = f"The engine's libraries are not installed ({error}): pip install 'leadart[engine]'."
            raise Fatal(Reason.MISCONFIGURED, message) from error
        model = open_model(settings, request.device)
    gc.freeze()
    gc.enable()
    try:
        say(Ready(replace(identity.result(), coverage=model.house.coverage), model.house.adapters))
    except OSError as error:
        raise unavailable(settings.model, f"cannot be read: {error}") from error
    return Denoiser(model, settings, say)


def _new(inbox: SimpleQueue[Any], patience: float) -> list[Command]:
    """Return every order that is there, waiting up to `patience` seconds for the first."""
    orders: list[Command] = []
    try:
        orders.append(inbox.get(timeout=patience) if patience else inbox.get_nowait())
        while True:
            orders.append(inbox.get_nowait())
    except Empty:
        return orders


if __name__ == "__main__":
    main()
