"""`leadart gateway`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import structlog

from consumer.cli.shared import EnvFile, settings_from
from consumer.cli.streams import log_streams

if TYPE_CHECKING:
    from consumer.settings import Settings

log = structlog.get_logger(__name__)


def gateway(env_file: EnvFile = None) -> None:
    """Run the HTTP gateway and the desk; SIGTERM or Ctrl-C stops it gracefully, SIGHUP reads keys and certificate."""
    with log_streams():
        settings = settings_from(env_file, logging_to_stdout=True)
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    from consumer.gateway.server import GatewaySignals, run_gateway

    signals = GatewaySignals()
    task = asyncio.create_task(
        run_gateway(settings, signals, lambda host, port: log.info("gateway_ready", host=host, port=port))
    )
    started = asyncio.get_running_loop()

    def on_signal() -> None:
        if signals.stopping.is_set():
            task.cancel()
        signals.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        started.add_signal_handler(number, on_signal)
    started.add_signal_handler(signal.SIGHUP, signals.reread.set)
    with contextlib.suppress(asyncio.CancelledError):
        await task
