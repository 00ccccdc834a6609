"""The worker as its surroundings treat it: a log that nobody takes, a port that anybody may reach, an end in time."""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.dev.embedded.server import Server, free_ports
from schemas import names
from tests.chaos.proxies import CuttableKafka
from tests.support.forgetful import ForgetfulProxy
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers

F_SETPIPE_SZ = 1031

QUIET_SECONDS = 4.0
FIRST_SAVE_SECONDS = 5.0
"""Far below a transaction's 10 s, and room for a busy machine."""

DRAIN_SECONDS = 3.0
"""For a last log line, and for a busy machine."""

LOGS = {
    "gone": '"$0" "$@" > >(true) 2>&1',
    "full": '"$0" "$@" >/dev/full 2>&1',
    "closed": '"$0" "$@" >&- 2>&- <&-',
    "unread": '"$0" "$@" >unread 2>&1',
    "latin-1": 'env PYTHONIOENCODING=latin-1 LEADART_LOG__FORMAT=console "$0" "$@"',
}


def lines_lost(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        found = re.search(r"^leadart_log_lines_lost_total ([0-9.]+)", page.read().decode(), re.MULTILINE)
    assert found
    return float(found[1])


async def until_lines_lost(port: int) -> None:
    async with asyncio.timeout(BOUND):
        while not await asyncio.to_thread(lines_lost, port):
            await asyncio.sleep(0.1)


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[int]:
    """A small pipe named `unread` that somebody holds open and never reads."""
    os.mkfifo(tmp_path / "unread")
    reader = os.open(tmp_path / "unread", os.O_RDWR)
    fcntl.fcntl(reader, F_SETPIPE_SZ, 4096)
    yield reader
    os.close(reader)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("log", LOGS)
async def test_no_log_ends_a_worker(kafka: KafkaServer, s3: S3Server, tmp_path: Path, log: str) -> None:
    """Wherever its log goes, the worker paints, counts the lines that were lost, and ends in order."""
    (port,) = free_ports(1)
    level = {"LOG__LEVEL": "debug"} if log == "unread" else {}
    site = Site.fresh(kafka, s3, HTTP__PORT=str(port), **level).prepare()
    shell = ("bash", "-c", f"exec {LOGS[log]}", *site.command)
    worker = WorkerProcess(dataclasses.replace(site, command=shell, folder=tmp_path), tmp_path / "log")
    try:
        async with cms(site) as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1", article={"headline": "日本"})))
            if log in {"gone", "full", "closed"}:
                await until_lines_lost(port)
        worker.signal(signal.SIGTERM)
        status = await asyncio.to_thread(worker.process.wait, BOUND)
    finally:
        worker.kill()

    assert ready["ce"]["type"] == names.IMAGE_READY
    assert status == 0


@pytest.mark.parametrize("away", [("kafka", "s3"), ("kafka",), ("s3",)], ids="+".join)
async def test_the_grace_holds_whatever_is_down(tmp_path: Path, away: tuple[str, ...]) -> None:
    """With servers that no longer answer and pictures in hand, the worker ends within its grace, with status 0."""
    with KafkaServer(tmp_path) as kafka, S3Server(tmp_path) as s3:
        servers: dict[str, Server] = {"kafka": kafka, "s3": s3}
        site = Site.fresh(kafka, s3, ENGINE__SWATCH_SECONDS="0.5", WORKER__SHUTDOWN_GRACE_SECONDS="8")
        with workers(site.prepare(), tmp_path) as (worker,):
            async with cms(site) as desk:
                for number in range(20):
                    await desk.ask(request_data(f"a-{number}"))
                await desk.until(lambda: bool(desk.outcomes()))
            for name in away:
                servers[name].freeze()
            began = time.monotonic()
            status = await asyncio.to_thread(worker.stop)
            seconds = time.monotonic() - began

    assert status == 0
    assert seconds < 8 + DRAIN_SECONDS


async def test_the_first_save_after_a_quiet_time_is_quick(s3: S3Server, tmp_path: Path) -> None:
    """A load balancer has forgotten the worker's idle connections: the save costs a second, not a whole time limit."""
    with CuttableKafka(tmp_path, ways=1) as kafka:
        ((listen, upstream),) = kafka.ways
        async with ForgetfulProxy(listen, upstream) as proxy:
            direct = Site.fresh(kafka, s3).prepare()
            forgetful = direct.changed(KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{listen}")
            worker = WorkerProcess(forgetful, tmp_path / "worker.log")
            try:
                await asyncio.to_thread(worker.wait_ready)
                async with cms(direct) as desk:
                    await answer(desk, await desk.ask(request_data("a-1")))
                    async with asyncio.timeout(BOUND):
                        while not proxy.idle(QUIET_SECONDS):
                            await asyncio.sleep(0.1)
                    proxy.forget(QUIET_SECONDS)
                    began = time.monotonic()
                    await answer(desk, await desk.ask(request_data("a-1", 2, article={"headline": "Storm over"})))
                    seconds = time.monotonic() - began
            finally:
                worker.kill()

    assert seconds < FIRST_SAVE_SECONDS
    assert "epoch_ended" not in worker.log.read_text()
