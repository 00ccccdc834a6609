"""Our side as a process: the real worker, with everything real but engine, encoder and store.

`python -m consumer.dev.bench.ours`, with the settings in the environment; SIGTERM ends it in order.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from consumer.dev.bench.empty import EmptyEncoder, EmptyEngine, EmptyStore
from consumer.settings import load_settings
from consumer.telemetry.logs import configure_logs
from consumer.worker import _WorkerRun, open_stages  # its own composition, not a copy that could drift

if TYPE_CHECKING:
    from consumer.pictures.encoder import PictureEncoder
    from consumer.settings import Settings
    from consumer.storage import S3Store


async def work(settings: Settings) -> None:
    """Work until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with open_stages(settings) as stages:
        bare = replace(
            stages,
            engine=EmptyEngine(),
            encoder=cast("PictureEncoder", EmptyEncoder()),
            store=cast("S3Store", EmptyStore()),
        )
        await _WorkerRun(settings, bare).work(stopping, lambda _served: None)


if __name__ == "__main__":
    settings = load_settings()
    configure_logs(settings.log)
    asyncio.run(work(settings))
