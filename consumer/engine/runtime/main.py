"""Entry point of the engine process, `python -m consumer.engine.runtime.main`; only `DeviceWorker` starts it.

It speaks `consumer.engine.protocol` on stdin and stdout, paints on its main thread, and lives exactly as long as its
parent holds the other end: when stdin ends it exits at once, even in the middle of a step.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NoReturn

from consumer.engine import protocol
from consumer.engine.runtime.replies import Replies
from consumer.engine.temporary_folder import require_temporary_folder
from consumer.engine.weights import check_folder, examine_custom_weights, identify_model, unavailable
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from consumer.engine.runtime.denoiser import Denoiser
    from consumer.engine.runtime.model import Model
    from consumer.settings import EngineSettings

_PR_SET_PDEATHSIG = 1

Errand = Callable[[], None]
"""What another thread has this one do between two units of work."""

Item = protocol.EngineRequest | Errand


def main() -> NoReturn:
    """Run until the parent closes stdin. Exit status 1 after an error, with the traceback on stderr."""
    _ignore_signals()
    _die_with_parent()
    requests, replies = _claim_pipes()
    inbox: SimpleQueue[Item] = SimpleQueue()
    Thread(target=_receive, args=(requests, inbox), name="inbox", daemon=True).start()
    try:
        _run(inbox, replies)
    except BaseException:  # noqa: BLE001 - reported, then the process ends
        traceback.print_exc()
    # Skip the interpreter's shutdown: destructors of a lost CUDA context may hang.
    sys.stderr.flush()
    os._exit(1)


def _ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM, which terminals and systemd send to every process: the parent decides when to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _die_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent dies: noticing the end of stdin needs the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _claim_pipes() -> tuple[int, int]:
    """Reserve the pipes for the protocol; whatever a library prints goes to stderr instead."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _receive(requests: int, inbox: SimpleQueue[Item]) -> NoReturn:
    frames: protocol.Frames[protocol.EngineRequest] = protocol.Frames()
    try:
        while data := os.read(requests, 65_536):
            for request in frames.feed(data):
                inbox.put(request)
    except Exception:  # noqa: BLE001 - reported before the process ends
        traceback.print_exc()
    os._exit(0)


def _run(inbox: SimpleQueue[Item], replies: int) -> None:
    opening = inbox.get()
    if not isinstance(opening, protocol.Open):
        raise TypeError(f"The first message was {type(opening).__name__}, not Open")
    send = Replies(replies, opening.pictures).send
    try:
        denoiser = _open(opening, send, inbox.put)
    except Fatal as error:
        send(protocol.Refused(error.reason, error.message))
        return
    while True:
        _turn(denoiser, inbox, send, opening.beat_seconds)


def _turn(
    denoiser: Denoiser,
    inbox: SimpleQueue[Item],
    send: Callable[[protocol.Reply], None],
    beat_seconds: float,
) -> None:
    """Take what has arrived, then do one unit of work: what is urgent is in the next step that is launched."""
    for command in _received(inbox, 0 if denoiser.busy else beat_seconds):
        if callable(command):
            command()
        else:
            denoiser.take(command)
    if denoiser.busy:
        denoiser.work()
    else:
        send(protocol.Beat())


def _open(
    request: protocol.Open, send: Callable[[protocol.Reply], None], between_units: Callable[[Errand], object]
) -> Denoiser:
    """Load the model, send Ready, and begin to compile it if so set. Raises Fatal.

    `between_units` gets what is to be run later, between two units of work.
    """
    settings = request.settings
    if settings.model is None:
        raise Fatal(Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set")
    require_temporary_folder()
    check_folder(settings.model)
    examine_custom_weights(settings)
    with ThreadPoolExecutor(1, thread_name_prefix="identify") as beside:
        identity = beside.submit(identify_model, settings)
        gc.disable()  # imports create a million lasting objects; collecting among them takes a sixth of the start
        try:
            from consumer.engine.runtime.denoiser import Denoiser  # noqa: PLC0415 - seconds of imports, after the checks
            from consumer.engine.runtime.opening import open_model  # noqa: PLC0415 - as above
        except ImportError as error:
            message = f"The engine's libraries are not installed ({error}): pip install 'leadart[engine]'."
            raise Fatal(Reason.MISCONFIGURED, message) from error
        model = open_model(settings, request.device)
    gc.freeze()
    gc.enable()
    try:
        loaded = replace(identity.result(), coverage=model.custom.coverage)
    except OSError as error:
        raise unavailable(settings.model, f"cannot be read: {error}") from error
    send(protocol.Ready(loaded, model.custom.adapters, model.kernels))
    _begin_to_compile(model, settings, send, between_units)
    return Denoiser(model, settings, send)


def _begin_to_compile(
    model: Model,
    settings: EngineSettings,
    send: Callable[[protocol.Reply], None],
    between_units: Callable[[Errand], object],
) -> None:
    from consumer.engine.runtime.background import compile_beside  # noqa: PLC0415 - seconds of imports, as above
    from consumer.engine.runtime.compiling import wants_compiling  # noqa: PLC0415 - as above

    if wants_compiling(settings.compile, model.device.type):
        compile_beside(model, send, between_units)


def _received(inbox: SimpleQueue[Any], timeout: float) -> list[protocol.Command | Errand]:
    """Return all waiting commands and errands; wait up to `timeout` seconds for the first."""
    commands: list[protocol.Command | Errand] = []
    try:
        commands.append(inbox.get(timeout=timeout) if timeout else inbox.get_nowait())
        while True:
            commands.append(inbox.get_nowait())
    except Empty:
        return commands


if __name__ == "__main__":
    main()
