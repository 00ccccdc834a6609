from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from consumer.dev.demo.processes import WorkerProcess, running, starting
from consumer.dev.embedded import Server
from consumer.engine.client import CHILD
from consumer.engine.devices import PROBE
from consumer.errors import Fatal


class _Sleeper(Server):
    """Ready at once, or never."""

    def __init__(self, folder: Path, *, ready: bool) -> None:
        super().__init__(folder, "sleeper")
        self._ready = ready

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", "import time; time.sleep(600)"], {}

    def _answers(self) -> bool:
        return self._ready


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE}


async def _until_started(server: Server) -> int:
    async with asyncio.timeout(20):
        while not (server.running and server.pid):
            await asyncio.sleep(0.01)
    return server.pid


async def test_a_server_runs_inside_its_context(tmp_path: Path) -> None:
    """It is there inside, and gone after."""
    server = _Sleeper(tmp_path, ready=True)
    async with running(server, server.kill):
        pid = server.pid
        assert psutil.pid_exists(pid)
    assert not server.running
    assert not psutil.pid_exists(pid)


async def test_cancelling_ends_a_server_that_is_still_starting(tmp_path: Path) -> None:
    """Ctrl-C need not wait for a start that may take minutes, and leaves no process."""
    before = _children()
    server = _Sleeper(tmp_path, ready=False)

    async def start() -> None:
        async with running(server, server.stop, 600):
            pytest.fail("it never becomes ready")

    task = asyncio.create_task(start())
    await _until_started(server)
    task.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert _children() <= before


async def test_cancelling_waits_for_an_end_that_has_begun(tmp_path: Path) -> None:
    """A cancellation that comes while a server is being ended arrives only when it is gone."""
    server = _Sleeper(tmp_path, ready=True)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.call_soon_threadsafe(ending.set)
        server.stop()

    async def run() -> None:
        async with running(server, end):
            pass

    task = asyncio.create_task(run())
    async with asyncio.timeout(20):
        await ending.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not server.running


def test_a_worker_tells_where_it_listens(tmp_path: Path) -> None:
    """The address is in the line `worker_ready`; other lines, also such as are no JSON, are passed over."""
    worker = WorkerProcess(tmp_path, {})
    lines = ["engine: not JSON", json.dumps({"event": "engine_ready"}), "[1]", '{"x": 1}']
    worker.log.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match="does not listen yet"):
        _ = worker.port

    lines.append(json.dumps({"event": "worker_ready", "host": "127.0.0.1", "port": 4711}))
    worker.log.write_text("\n".join(lines) + "\n")
    assert worker.address == "http://127.0.0.1:4711"
    assert worker.port == "4711"


def test_a_worker_that_ended_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    """Nobody waits for the outcomes of a worker that is no more."""
    worker = WorkerProcess(tmp_path, {})
    worker.log.write_text("it hurt\n")

    with pytest.raises(Fatal, match="it hurt"):
        worker.check()


def test_a_module_of_the_same_name_in_the_working_folder_is_not_ours(tmp_path: Path) -> None:
    """A CMS with a `consumer.py` or a `schemas.py` of its own does not become our worker, nor its engine."""
    for name in ("consumer", "schemas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    worker = WorkerProcess(tmp_path, {})._command()[0]
    for command in ([*worker, "--help"], [*CHILD, "--help"], PROBE):
        done = subprocess.run(command, cwd=tmp_path, input=b"", capture_output=True, timeout=60, check=False)  # noqa: S603 - ours
        assert done.returncode != 3, command


async def test_a_server_that_starts_in_the_background_is_awaited_where_it_is_needed(tmp_path: Path) -> None:
    """The block runs while the server starts, and on leaving it is gone, up or not."""
    server = _Sleeper(tmp_path, ready=False)
    async with starting(server, server.stop, 600) as started:
        pid = await _until_started(server)
        assert not started.done()
        server._ready = True
        async with asyncio.timeout(20):
            await started
        assert psutil.pid_exists(pid)
    assert not server.running


def test_an_early_worker_waits_for_the_word_to_join(tmp_path: Path) -> None:
    """The demo runs `leadart worker` itself; a file says when Kafka is up."""
    assert WorkerProcess(tmp_path, {}, tmp_path / "go")._command()[0][-3:] == [
        "worker",
        "--join-when",
        str(tmp_path / "go"),
    ]
    assert WorkerProcess(tmp_path, {})._command()[0][-1] == "worker"
