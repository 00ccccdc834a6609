"""`leadart worker` and `leadart doctor`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog
import typer

from consumer import __version__
from consumer.cli.shared import AsJson, EnvFile, console, settings_from

if TYPE_CHECKING:
    from consumer.settings import Settings
    from consumer.telemetry.health import Served

log = structlog.get_logger(__name__)


def worker(env_file: EnvFile = None) -> None:
    """Consume article events, make pictures, announce them; until SIGTERM or Ctrl-C."""
    asyncio.run(_work(settings_from(env_file, logging_to_stdout=True)))


async def _work(settings: Settings) -> None:
    """Run the worker under signals: the first stops it in order, the second ends it at once."""
    from consumer.worker import run_worker  # noqa: PLC0415 - keeps the other commands quick to start

    stopping = asyncio.Event()
    started = False

    def on_ready(served: Served) -> None:
        nonlocal started
        started = True
        log.info("worker_ready", host=served.host, port=served.port, version=__version__)

    task = asyncio.create_task(run_worker(settings, stopping, on_ready))

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


def doctor(env_file: EnvFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Examine styles, model, store, topics and group; exit status 1 if a promise could not be kept."""
    from consumer.doctor import examine  # noqa: PLC0415
    from consumer.findings import Verdict  # noqa: PLC0415

    findings = asyncio.run(examine(settings_from(env_file)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))  # noqa: T201 - for pipes
    else:
        colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "red"}
        for finding in findings:
            line = f"{finding.verdict:8} {finding.subject:12} {finding.message}"
            console.print(line, style=colours[finding.verdict], markup=False, soft_wrap=True)
    raise typer.Exit(any(finding.verdict is Verdict.FAILURE for finding in findings))
