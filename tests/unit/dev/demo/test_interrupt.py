from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from consumer.dev.demo.interrupt import run_interruptible

_DEAF = """
import asyncio, os, signal
from consumer.dev.demo.interrupt import run_interruptible

async def main():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

run_interruptible(main())
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_order(number: signal.Signals, status: int) -> None:
    """The first signal cancels, what is open is closed, and the status tells the signal."""
    closed = []

    async def main() -> int:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append(True)
        return 0

    assert run_interruptible(main()) == status
    assert closed


def test_what_is_endless_ends_well() -> None:
    """Ctrl-C is how `leadart dev` is meant to end."""

    async def main() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return 1

    assert run_interruptible(main(), endless=True) == 0


def test_without_a_signal_the_status_is_its_own() -> None:
    """An exit status goes through, and so does a cancellation that no signal caused."""

    async def main() -> int:
        return 3

    async def cancelled() -> int:
        raise asyncio.CancelledError

    assert run_interruptible(main()) == 3
    with pytest.raises(asyncio.CancelledError):
        run_interruptible(cancelled())


def test_a_second_signal_ends_it_at_once() -> None:
    """Whoever presses Ctrl-C twice does not wait for an orderly end."""
    done = subprocess.run([sys.executable, "-c", _DEAF], timeout=30, check=False, capture_output=True)  # noqa: S603 - our own words

    assert done.returncode == 143
