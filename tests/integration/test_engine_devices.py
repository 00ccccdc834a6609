"""The engine's pool over several devices, with scripted processes that die, hang and lie; devices are mere names."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from consumer.engine import process
from consumer.engine.client import ZImageEngine
from consumer.engine.process import open_child
from consumer.errors import Fatal, Rejected, Transient
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

SCRIPT = Path(__file__).with_name("scripted_child.py")
BOUND = 20.0


@pytest.fixture(autouse=True)
async def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Give each test its own marks, and check that it leaves no process."""
    monkeypatch.setenv("MARKS", str(tmp_path))
    yield
    assert not psutil.wait_procs(children(), timeout=5)[1]


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if SCRIPT.name in " ".join(child.cmdline())]


def scripted(mode: str = "serve", batch: int = 1, devices: str = "cpu,mps") -> ZImageEngine:
    settings = EngineSettings(model=Path("model"), devices=devices)
    return ZImageEngine(settings, command=(sys.executable, str(SCRIPT), mode, str(batch)))


def recipe(prompt: str) -> Recipe:
    return Recipe(prompt, "", ModelIdentity("scripted", "0" * 64), (), 16, 16, 2, 0.0, 1, "default", 1)


async def paint(engine: ZImageEngine, prompt: str, lane: Lane = Lane.LIVE) -> str:
    """Return the device that painted, and `alone` if the picture was a suspect."""
    async with asyncio.timeout(BOUND):
        picture = await engine.paint(recipe(prompt), lane, lambda _done, _of: None)
    return picture.rgb.decode().partition("@")[2]


async def until_given_up(engine: ZImageEngine, count: int) -> None:
    async with asyncio.timeout(BOUND):
        while len(engine._given_up) < count:
            await asyncio.sleep(0.01)


async def test_work_is_spread() -> None:
    """Of eight equal pictures, each of two devices gets four."""
    async with scripted(batch=4) as engine:
        devices = await asyncio.gather(*(paint(engine, str(number)) for number in range(8)))
        assert (engine.devices, engine.restarts) == (2, 0)
        assert engine.device_ready == {"cpu": True, "mps": True}
    assert sorted(devices) == ["cpu"] * 4 + ["mps"] * 4
    assert not engine.ready


async def test_the_same_device_twice_is_two_devices() -> None:
    """`cpu,cpu` means two processes, each with its own name."""
    async with scripted(devices="cpu,cpu") as engine:
        assert len(children()) == 2
        assert engine.device_ready == {"cpu": True, "cpu#2": True}


async def test_another_device_takes_over_at_once() -> None:
    """A dead process's picture is painted by another device, while its own never comes back."""
    async with scripted("hang-again@cpu") as engine:
        assert await paint(engine, "die unless alone") == "mps alone"
        assert (engine.ready, engine.restarts) == (True, 1)
        assert engine.device_ready == {"cpu": False, "mps": True}


async def test_poison_is_counted_over_devices() -> None:
    """A picture that ends a process on each of two devices is rejected if the second one painted in between."""
    async with scripted("hang-again@cpu") as engine:
        with pytest.raises(Transient):
            await paint(engine, "die")
        assert await paint(engine, "after") == "mps"
        with pytest.raises(Rejected) as refused:
            await paint(engine, "die")
        assert refused.value.reason is Reason.ENGINE_POISON
        assert engine.restarts == 3


@pytest.mark.parametrize("mode", ["refuse-again@cpu", "die-again@cpu"])
async def test_a_device_is_given_up_and_the_others_go_on(mode: str) -> None:
    """A device whose next process refuses, or dies three times in a row, is given up; the worker does not end."""
    async with scripted(mode) as engine:
        assert await paint(engine, "die unless alone") == "mps alone"
        await until_given_up(engine, 1)
        assert await paint(engine, "after") == "mps"
        assert engine.ready
        assert engine.device_ready == {"cpu": False, "mps": True}


async def test_without_a_device_left_the_engine_ends() -> None:
    """When the last device is given up, its error ends the context and every waiting call."""

    async def own() -> None:
        async with scripted("refuse-again") as engine:
            with pytest.raises((Transient, Fatal)):
                await paint(engine, "die")
            await asyncio.Event().wait()

    with pytest.raises(Fatal, match=r"Device \w+: Told to refuse\."):
        await asyncio.wait_for(own(), BOUND)


async def test_at_the_start_every_device_must_come_up() -> None:
    """The error names a device that does not come up at the start, although another did."""
    with pytest.raises(Fatal, match=r"Device mps: Told to refuse\."):
        await asyncio.wait_for(scripted("refuse@mps").__aenter__(), BOUND)


async def test_devices_with_different_models_are_fatal() -> None:
    """Two devices must have the same model."""
    with pytest.raises(Fatal, match="folder changed"):
        await asyncio.wait_for(scripted("change").__aenter__(), BOUND)


async def test_a_cancelled_picture_is_dropped_where_it_is() -> None:
    """A cancelled picture is dropped on the device that has it, and only there."""
    async with scripted(batch=3) as engine:
        first, other, dropped, also = (asyncio.create_task(paint(engine, name)) for name in "abcd")
        await asyncio.sleep(0)
        dropped.cancel()
        assert await first == "cpu"  # painted because of the drop
        assert not other.done()
        also.cancel()
        assert await other == "mps"


async def test_a_lower_lane_is_not_in_the_way() -> None:
    """An urgent picture goes to the device with the least work ahead of it, however many of lower lanes wait there."""
    async with scripted(batch=3) as engine:
        backfill = [asyncio.create_task(paint(engine, str(number), Lane.BACKFILL)) for number in range(2)]
        await asyncio.sleep(0)
        live = asyncio.create_task(paint(engine, "live"))
        await asyncio.sleep(0)
        assert engine._workers[0].work_ahead(Lane.LIVE)[0] > 0
        assert min(engine._workers, key=lambda worker: worker.work_ahead(Lane.INTERACTIVE)) is engine._workers[1]
        for task in (*backfill, live):
            task.cancel()


async def test_a_process_that_no_longer_reads_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are sent and cancelled pile up at a frozen process only up to a limit; then it is killed."""
    monkeypatch.setattr(process, "_MAX_UNREAD_BYTES", 4 * 1024**2)
    async with scripted(devices="cpu") as engine:
        (frozen,) = children()
        frozen.send_signal(signal.SIGSTOP)
        kept = asyncio.create_task(paint(engine, "kept"))
        for number in range(6):
            cancelled = asyncio.create_task(paint(engine, f"{number}" * 1024**2))
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
        assert await kept == "cpu"
        assert engine.restarts == 1


async def test_leaving_ends_a_frozen_process_with_requests_before_it() -> None:
    """Neither a frozen process nor a full pipe to it delays leaving the context."""
    async with asyncio.timeout(BOUND):
        async with scripted(devices="cpu") as engine:
            (frozen,) = children()
            frozen.send_signal(signal.SIGSTOP)
            waiting = asyncio.create_task(paint(engine, "x" * 1024**2))
            await asyncio.sleep(0)
        assert not children()
        with pytest.raises(Transient, match="closed"):
            await waiting


@pytest.mark.parametrize(
    ("oom_kills", "words"),
    [
        ([3, 3], "killed by SIGKILL"),
        ([3, 4], "killed by SIGKILL, and the kernel has killed a process for lack of memory"),
    ],
)
async def test_a_kill_for_memory_is_distinguished(
    oom_kills: list[int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the kernel counted a kill for memory during the process's life, `how_it_ended` says so."""
    before, after = oom_kills
    counts = itertools.chain([before], itertools.repeat(after))
    monkeypatch.setattr(process, "_oom_kills", lambda: next(counts))
    async with asyncio.timeout(BOUND), open_child((sys.executable, str(SCRIPT), "serve", "1"), os.environ) as child:
        os.kill(child.pid, signal.SIGKILL)
        while await child.reply() is not None:
            pass
    assert child.how_it_ended.how.startswith(words)
    assert child.how_it_ended.out_of_memory == (oom_kills[0] < oom_kills[1])
