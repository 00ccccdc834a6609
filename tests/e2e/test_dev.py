"""`leadart dev`, as a CMS developer uses it."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from consumer.dev.demo.room import MARK
from consumer.settings import load_settings
from tests.support.commands import Command, leadart

if TYPE_CHECKING:
    from pathlib import Path

# The stack starts its own; asked for here so that a machine without them skips, or fails in CI.
pytestmark = pytest.mark.usefixtures("kafka", "s3")


async def _paste(line: str) -> str:
    """Run a command as printed, and return what it prints."""
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def _publish_and_see(dev: Command, publish: str) -> None:
    """Paste the printed command; the outcome is told, and its pictures are where it says."""
    assert await _paste(publish)
    await dev.until("ready: sample-1")
    urls = [(await dev.until("http")).strip() for _ in range(4)]
    async with aiohttp.ClientSession() as client:
        for url in urls:
            async with client.get(url) as response:
                assert hashlib.sha256(await response.read()).hexdigest() in url


async def test_a_cms_developer_has_everything_at_hand(tmp_path: Path) -> None:
    """The settings file comes when all is ready, the printed command works, and Ctrl-C ends everything well."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text(f"{MARK}\nSTALE=1\n")
    options = ("--engine", "swatch", "--out", str(tmp_path), "--env-file", str(env_file))
    async with leadart("dev", *options) as dev:
        await dev.until("store at")
        assert not env_file.exists()
        worker = await dev.until("Worker:")
        publish = (await dev.until("Publish:")).partition(":")[2]
        await dev.until("Ctrl-C ends everything")

        settings = load_settings(env_file)
        assert f":{settings.http.port}/readyz" in worker
        async with aiohttp.ClientSession() as client, client.get(worker.split()[1]) as response:
            assert response.status == 200
        await _publish_and_see(dev, publish)

        status = await dev.end(signal.SIGINT)
        left = await dev.left_behind()

    assert status == 0
    assert not left
    assert not env_file.exists()


async def test_the_worker_may_be_ones_own(tmp_path: Path) -> None:
    """With --no-worker there is none until the printed command starts one; what it says is told all the same."""
    async with leadart("dev", "--engine", "swatch", "--no-worker", "--out", str(tmp_path)) as dev:
        worker = (await dev.until("Worker:")).partition(":")[2]
        publish = (await dev.until("Publish:")).partition(":")[2]
        await dev.until("Ctrl-C ends everything")
        assert not any("consumer worker" in line for line in dev.processes())

        own = await asyncio.create_subprocess_exec(*shlex.split(worker), stdout=asyncio.subprocess.DEVNULL)
        try:
            await _publish_and_see(dev, publish)
        finally:
            own.terminate()
            async with asyncio.timeout(30):
                assert await own.wait() == 0
        status = await dev.end(signal.SIGTERM)

    assert status == 0
