"""`leadart worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from consumer import __version__
from consumer.cli.shared import EnvFile, sentence_of, settings_from
from consumer.cli.streams import log_streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.settings import Settings
    from consumer.telemetry.health import ServedAddress

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.05


JoinWhen = Annotated[
    Path | None,
    typer.Option(hidden=True, help="Join Kafka only when this file exists: `leadart demo` loads the model meanwhile."),
]


def worker(env_file: EnvFile = None, join_when: JoinWhen = None) -> None:
    """Run the worker: consume requests, paint, announce outcomes; SIGTERM or Ctrl-C stops it gracefully."""
    with log_streams() as drain:
        settings = settings_from(env_file, logging_to_stdout=True)
        try:
            asyncio.run(_run(settings, join_when, drain))
        except (Exception, BaseExceptionGroup) as error:
            # Log collectors read stdout alone; the sentence that `main` prints goes to stderr.
            sentence = sentence_of(error)
            log.critical("worker_failed", error=sentence, exc_info=error if sentence is None else None)
            raise


async def _run(settings: Settings, join_when: Path | None, drain: Callable[[], None]) -> None:
    """Run the worker until a signal: the first shuts it down within the grace, the second at once."""
    from consumer.worker import CLOSING_SECONDS, run_worker

    stopping, reload = asyncio.Event(), asyncio.Event()
    started = False

    def on_ready(served: ServedAddress) -> None:
        nonlocal started
        started = True
        log.info("worker_ready", host=served.host, port=served.port, version=__version__)

    task = asyncio.create_task(run_worker(settings, stopping, on_ready, lambda: _until_exists(join_when), reload))

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()
        _end_after(max(settings.worker.shutdown_grace_seconds, CLOSING_SECONDS), drain)
        if not started:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    if settings.policy.file is not None:  # otherwise a worker ends with its terminal, as ever
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.set)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _end_after(seconds: float, drain: Callable[[], None]) -> None:
    """End the process then, if it still runs: a frozen broker, or a look-up of its name, may hold its last steps up.

    Nothing is lost by it. What was not committed is done by the next owner, as after any other death.
    """

    def end() -> None:
        log.warning("stopped_unfinished", grace_seconds=seconds)
        drain()
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def _until_exists(file: Path | None) -> None:
    while file and not await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(_LOOK_SECONDS)
