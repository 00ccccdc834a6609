from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from structlog.testing import capture_logs

from consumer.gateway.access.key_changes import added, change_keys
from consumer.gateway.access.key_file import KeyFile, make_key
from consumer.gateway.access.key_watch import WatchedKeys
from consumer.gateway.access.principal import Scope
from consumer.gateway.file_watch import FileWatch

NEVER = 3600.0
SOON = 0.01


def add(file: Path) -> None:
    change_keys(file, lambda keys: added(keys, make_key("/cms/news", [Scope.READ])[0]))


@asynccontextmanager
async def watching(file: Path, seconds: float) -> AsyncIterator[tuple[asyncio.Queue[KeyFile], asyncio.Event]]:
    used, reread = asyncio.Queue[KeyFile](10), asyncio.Event()
    task = asyncio.create_task(FileWatch([WatchedKeys(file, used.put_nowait)], reread, seconds).run())
    try:
        async with asyncio.timeout(30):
            yield used, reread
    finally:
        task.cancel()


async def test_a_changed_file_is_used(tmp_path: Path) -> None:
    """A key that is added is known without a signal, and a file that is gone leaves none."""
    file = tmp_path / "keys.json"
    add(file)
    async with watching(file, SOON) as (used, _):
        assert len((await used.get()).keys) == 1
        add(file)
        assert len((await used.get()).keys) == 2
        file.unlink()
        assert (await used.get()).keys == ()


async def test_a_signal_reads_it_at_once(tmp_path: Path) -> None:
    """Between the looks, SIGHUP has it read, changed or not."""
    file = tmp_path / "keys.json"
    add(file)
    async with watching(file, NEVER) as (used, reread):
        await used.get()
        reread.set()
        assert len((await used.get()).keys) == 1


async def test_an_invalid_file_changes_nothing(tmp_path: Path) -> None:
    """It is logged with its name, and the keys of before stay in use until it is mended."""
    file = tmp_path / "keys.json"
    add(file)
    async with watching(file, NEVER) as (used, reread):
        await used.get()
        good = file.read_text()
        file.write_text("{")
        with capture_logs() as logs:
            reread.set()
            while not logs:
                await asyncio.sleep(SOON)
        assert (logs[0]["event"], str(file) in logs[0]["error"]) == ("gateway_keys_invalid", True)
        assert used.empty()
        file.write_text(good)
        reread.set()
        assert len((await used.get()).keys) == 1
