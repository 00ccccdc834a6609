"""leadart's side as a process: the real worker with an empty engine, encoder and store.

Run `python -m consumer.dev.bench.ours` with the settings in the environment; SIGTERM stops it.
"""

import asyncio
import signal
from dataclasses import replace

from consumer.dev.bench.empty import EmptyEncoder, EmptyEngine, EmptyStore
from consumer.settings import Settings, load_settings
from consumer.telemetry.logs import configure_logs
from consumer.worker import WorkerRun, open_stages


async def work(settings: Settings) -> None:
    """Work until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with open_stages(settings) as stages:
        bare = replace(
            stages,
            engine=EmptyEngine(),
            encoder=EmptyEncoder(),
            store=EmptyStore(),
        )
        await WorkerRun(settings, bare).work(stopping, lambda _served: None)


if __name__ == "__main__":
    settings = load_settings()
    configure_logs(settings.log)
    asyncio.run(work(settings))
