"""Ctrl-C and SIGTERM: the first stops everything in order, the second at once; neither leaves a process behind."""

import asyncio
import os
import signal
from collections.abc import Coroutine

from rich.console import Console


def run_interruptible(main: Coroutine[object, object, int], *, endless: bool = False) -> int:
    """Run `main` and return its exit status, or 128 + the signal number when a signal cancelled it.

    A signal is the normal end of an `endless` command: status 0.
    """
    return asyncio.run(_interruptible(main, endless=endless))


async def _interruptible(main: Coroutine[object, object, int], *, endless: bool) -> int:
    task = asyncio.ensure_future(main)
    caught: list[int] = []

    def on_signal(number: int) -> None:
        if caught:
            # Child processes end with their pipes to this one; only temporary files stay behind.
            Console().show_cursor()
            os._exit(128 + number)
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        return 0 if endless else 128 + caught[0]
