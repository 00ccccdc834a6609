"""`leadart worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from consumer import __version__
from consumer.cli.shared import EnvFile, sentence_of, settings_from
from consumer.cli.streams import log_streams

if TYPE_CHECKING:
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
    with log_streams():
        settings = settings_from(env_file, logging_to_stdout=True)
        try:
            asyncio.run(_run(settings, join_when))
        except (Exception, BaseExceptionGroup) as error:
            # Log collectors read stdout alone; the sentence that `main` prints goes to stderr.
            sentence = sentence_of(error)
            log.critical("worker_failed", error=sentence, exc_info=error if sentence is None else None)
            raise


async def _run(settings: Settings, join_when: Path | None) -> None:
    """Run the worker until a signal: the first shuts it down gracefully, the second at once."""
    from consumer.worker import run_worker

    stopping = asyncio.Event()
    started = False

    def on_ready(served: ServedAddress) -> None:
        nonlocal started
        started = True
        log.info("worker_ready", host=served.host, port=served.port, version=__version__)

    task = asyncio.create_task(run_worker(settings, stopping, on_ready, lambda: _until_exists(join_when)))

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()
        if not started:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _until_exists(file: Path | None) -> None:
    while file and not await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(_LOOK_SECONDS)
