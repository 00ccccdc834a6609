"""What is done to the worker that was caught, or to a server behind it. Each strike heals what it hit, then returns.

A caught worker is let go (`scene.release()`) when the trouble is there, not before: it walks right into it.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus

import psutil

from consumer.dev.embedded.server import Server
from consumer.failpoints import Failpoint
from tests.chaos.memory import starve
from tests.chaos.proxies import Mood
from tests.chaos.scene import Scene

SESSION_SECONDS = 4
"""After this long without a word the group gives a worker's shards to others."""

FREEZE_SECONDS = SESSION_SECONDS + 2.5
DOWN_SECONDS = 3.0
BAD_STORE_SECONDS = 8.0
DEADLY_SECONDS = 20.0
LEFT_SECONDS = 60.0
CROWD = 4
CROWD_CONNECTIONS = 1102
"""More than the usual limit on open files, 1 024."""


async def kill_worker(scene: Scene) -> None:
    """The caught worker gets SIGKILL."""
    scene.fleet.kill(scene.victim)
    scene.release()


async def freeze_worker(scene: Scene) -> None:
    """The caught worker is stopped past its session (SIGSTOP) and wakes up when others have its shards."""
    scene.victim.signal(signal.SIGSTOP)
    scene.release()
    await scene.pause(FREEZE_SECONDS)
    scene.victim.signal(signal.SIGCONT)


async def starve_worker(scene: Scene) -> None:
    """The kernel's out-of-memory killer ends the caught worker: its memory control group is full."""
    scene.fleet.expect_end(scene.victim)
    await asyncio.to_thread(starve, scene.victim.process.pid)
    assert await scene.fleet.ended(scene.victim) == -signal.SIGKILL
    scene.release()


async def stop_worker(scene: Scene) -> None:
    """The caught worker gets SIGTERM while it is held, and must end in order, with status 0."""
    stopping = asyncio.create_task(scene.fleet.stop(scene.victim))
    await scene.pause(0.2)
    scene.release()
    await stopping


async def kill_engine(scene: Scene) -> None:
    """The engine's process gets SIGKILL; the worker has another one started."""
    _engine(scene).kill()
    scene.release()


async def kill_every_engine(scene: Scene) -> None:
    """For 20 s every process of the engine gets SIGKILL within 6 s of its start, whatever it does."""
    scene.release()
    deadline = time.monotonic() + DEADLY_SECONDS
    while time.monotonic() < deadline:
        lifetime = scene.dice.uniform(0.2, 6)
        for engine in _engines(scene):
            with suppress(psutil.NoSuchProcess):
                if time.time() - engine.create_time() > lifetime:
                    engine.kill()
        await scene.pause(0.1)


async def kill_in_turn(scene: Scene) -> None:
    """The caught worker gets SIGKILL, and so do the next four that paint, each while it does."""
    await kill_worker(scene)
    for _ in range(4):
        if await scene.caught(Failpoint.PAINTING):
            await kill_worker(scene)


async def hang_engine(scene: Scene) -> None:
    """The engine's process is stopped (SIGSTOP) for ever; the worker must notice and replace it."""
    _engine(scene).suspend()
    scene.release()


async def kill_broker(scene: Scene) -> None:
    """The broker gets SIGKILL and is started again after 3 s on the same data."""
    await _kill_and_start(scene, scene.servers.kafka)


async def freeze_broker(scene: Scene) -> None:
    """The broker is stopped (SIGSTOP) for longer than sessions and transactions may last."""
    scene.servers.kafka.freeze()
    scene.release()
    await scene.pause(FREEZE_SECONDS)
    scene.servers.kafka.thaw()


async def lose_broker(scene: Scene) -> None:
    """One of three brokers gets SIGKILL and stays away until the cell is counted."""
    assert scene.servers.cluster is not None
    node = scene.dice.choice(scene.servers.cluster.nodes)
    await asyncio.to_thread(node.kill)
    scene.release()


async def kill_store(scene: Scene) -> None:
    """The store gets SIGKILL and is started again after 3 s on the same data."""
    await _kill_and_start(scene, scene.servers.s3)


async def slow_store(scene: Scene) -> None:
    """For 8 s the store takes 0.3 to 4 s an answer; workers give up after 2 s, yet what they asked for is done."""
    await _bad_store(scene, Mood.SLOW)


async def failing_store(scene: Scene) -> None:
    """For 8 s the store answers 500 to everything; half of it was carried out all the same."""
    await _bad_store(scene, Mood.FAILING)


async def fill_store(scene: Scene) -> None:
    """The store's disk is full for 8 s."""
    assert scene.servers.disk is not None
    await asyncio.to_thread(scene.servers.disk.fill)
    scene.release()
    await scene.pause(BAD_STORE_SECONDS)
    scene.servers.disk.free()


async def cut_broker(scene: Scene) -> None:
    """The caught worker's line to the broker swallows every byte for longer than its session; connections stay open."""
    await _cut(scene)


async def cut_store(scene: Scene) -> None:
    """The caught worker's line to the store swallows every byte for 6.5 s; connections stay open."""
    await _cut(scene)


async def lose_store(scene: Scene) -> None:
    """Only the caught worker has lost the store, until it has left the group and the other has done all of its work."""
    async with _line_cut(scene):
        async with asyncio.timeout(LEFT_SECONDS):
            while "left the consumer group" not in (await asyncio.to_thread(scene.victim.get, "/readyz"))[1]:
                await asyncio.sleep(0.1)
        assert not await scene.drained()


async def _kill_and_start(scene: Scene, server: Server) -> None:
    await asyncio.to_thread(server.kill)
    scene.release()
    await scene.pause(DOWN_SECONDS)
    await asyncio.to_thread(server.start)


async def _cut(scene: Scene) -> None:
    async with _line_cut(scene):
        await scene.pause(FREEZE_SECONDS)


@asynccontextmanager
async def _line_cut(scene: Scene) -> AsyncIterator[None]:
    """Cut the line that the caught worker, and no other, has been told to use."""
    assert scene.servers.toxiproxy is not None
    line = str(scene.fleet.slot(scene.victim))
    address = scene.servers.toxiproxy.addresses[line]
    told = psutil.Process(scene.victim.process.pid).environ()
    assert any(address in value for name, value in told.items() if name.startswith("LEADART_"))
    scene.servers.toxiproxy.cut(line)
    scene.release()
    yield
    scene.servers.toxiproxy.mend(line)


async def silence_log(scene: Scene) -> None:
    """Whoever reads the caught worker's log is gone: each further line meets a closed pipe."""
    (reader,) = psutil.Process(scene.victim.process.pid).children()[:1]
    reader.kill()
    while reader.status() != psutil.STATUS_ZOMBIE:  # the worker never asks after it
        await scene.pause(0.01)
    scene.release()


async def crowd_port(scene: Scene) -> None:
    """For 8 s 1 102 connections to the caught worker's port stay at half a header; its health is answered meanwhile."""
    host, _, port = scene.victim.address.removeprefix("http://").rpartition(":")
    _allow_files(CROWD_CONNECTIONS + 500)
    async with AsyncExitStack() as stack:
        for _ in range(CROWD_CONNECTIONS):
            _, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            writer.write(b"GET /healthz HT")
        scene.release()
        await scene.pause(BAD_STORE_SECONDS)
        status, page = await asyncio.to_thread(scene.victim.get, "/healthz")
        assert status == HTTPStatus.OK, page


def _allow_files(number: int) -> None:
    """Let this process open so many files, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(number, hard)), hard))


async def restart_all(scene: Scene) -> None:
    """Every worker gets SIGTERM and is replaced, one after the other, the caught one first."""
    others = [worker for worker in scene.fleet.workers if worker is not scene.victim]
    await stop_worker(scene)
    await scene.fleet.ready()
    for worker in others:
        await scene.fleet.stop(worker)
        await scene.fleet.ready()


async def scale(scene: Scene) -> None:
    """One worker becomes four, and four become one again."""
    while len(scene.fleet.workers) < CROWD:
        scene.fleet.add()
    scene.release()
    await scene.fleet.ready()
    for worker in scene.fleet.workers[1:]:
        await scene.fleet.stop(worker, replaced=False)


async def _bad_store(scene: Scene, mood: Mood) -> None:
    assert scene.servers.gate is not None
    scene.servers.gate.mood = mood
    scene.release()
    await scene.pause(BAD_STORE_SECONDS)
    scene.servers.gate.mood = Mood.FAIR


def _engine(scene: Scene) -> psutil.Process:
    """Return the victim's engine process: the one of its children that paints."""
    (engine,) = _engines(scene)
    return engine


def _engines(scene: Scene) -> list[psutil.Process]:
    try:
        children = psutil.Process(scene.victim.process.pid).children(recursive=True)
        return [child for child in children if "consumer.engine.runtime.main" in child.cmdline()]
    except psutil.Error:  # between two lives
        return []
