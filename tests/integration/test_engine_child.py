"""The real engine process with a tiny model: it paints, survives, and dies when it should."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from consumer.engine.client import CHILD, ZImageEngine, child_environment
from consumer.engine.devices import EngineDevice
from consumer.engine.process import open_child
from consumer.engine.protocol import Frames, Open, Paint, Painted, Reply, StepDone, frame
from consumer.errors import Fatal
from consumer.jobs import Lane, ModelIdentity, Recipe
from consumer.settings import EngineSettings
from schemas import Reason
from tests.support.harness import BOUND

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWNER = Path(__file__).with_name("engine_owner.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    subprocess.run([sys.executable, "-m", "consumer.engine.runtime.tiny", folder], check=True, timeout=BOUND)  # noqa: S603 - ours
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[ZImageEngine]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LEADART_STORAGE__SECRET_ACCESS_KEY", "hush")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        async with ZImageEngine(EngineSettings(model=model, step_timeout_seconds=60)) as engine:
            yield engine


def process() -> psutil.Process:
    """Return the engine process."""
    (child,) = (child for child in psutil.Process().children() if "consumer.engine.runtime.main" in child.cmdline())
    return child


def recipe(engine: ZImageEngine, prompt: str = "a storm", seed: int = 1, side: int = 64, steps: int = 2) -> Recipe:
    return Recipe(prompt, "low quality", engine.paintable.model, (), side, side, steps, 2.0, seed, "default", 1)


async def test_pictures_are_painted_together(engine: ZImageEngine) -> None:
    """Several at once each arrive with their own pixels and steps; the same recipe gives the same picture again."""
    recipes = [recipe(engine), recipe(engine, "港口上空的暴风雨"), recipe(engine, seed=2), recipe(engine, side=96)]
    steps: list[list[tuple[int, int]]] = [[] for _ in recipes]

    def report(at: int, done: int, of: int) -> None:
        steps[at].append((done, of))

    async with asyncio.timeout(BOUND):
        pictures = await asyncio.gather(
            *(
                engine.paint(each, Lane.LIVE, lambda done, of, at=at: report(at, done, of))  # type: ignore[misc]
                for at, each in enumerate(recipes)
            )
        )
        again = await engine.paint(recipes[2], Lane.BACKFILL, lambda _done, _of: None)
    assert [(picture.recipe, picture.width, len(picture.rgb)) for picture in pictures] == [
        (each, each.width, each.width**2 * 3) for each in recipes
    ]
    assert len({picture.rgb for picture in pictures}) == 4
    assert max(abs(a - b) for a, b in zip(again.rgb, pictures[2].rgb, strict=True)) <= 1
    assert steps == [[(1, 2), (2, 2)]] * 4


async def test_a_picture_brings_its_focus(engine: ZImageEngine) -> None:
    """Where guidance acted arrives with the pixels; without guidance there is none."""
    guided = recipe(engine, seed=5)
    async with asyncio.timeout(BOUND):
        picture = await engine.paint(guided, Lane.LIVE, lambda _done, _of: None)
        plain = await engine.paint(replace(guided, guidance_scale=0.0), Lane.LIVE, lambda _done, _of: None)
    assert picture.focus
    assert 0 < min(picture.focus.x, picture.focus.y) <= max(picture.focus.x, picture.focus.y) < 1
    assert plain.focus is None


async def test_it_knows_no_secrets(engine: ZImageEngine) -> None:
    """The settings of the store and the bus stay with the worker; hubs are off."""
    assert engine.ready
    environment = process().environ()
    assert "hush" not in environment.values()
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"


async def test_signals_to_the_group_do_not_end_it(engine: ZImageEngine) -> None:
    """Ctrl-C in the terminal and systemd's SIGTERM reach it too, but it paints on until its parent ends it."""
    child = process()
    for number in (signal.SIGINT, signal.SIGTERM):
        child.send_signal(number)
    async with asyncio.timeout(BOUND):
        await engine.paint(recipe(engine), Lane.LIVE, lambda _done, _of: None)
    assert process() == child


async def test_after_a_kill_the_pictures_still_arrive(engine: ZImageEngine) -> None:
    """After kill -9 in the middle of a batch, another process paints all of its pictures."""
    child = process()

    def kill(done: int, _of: int) -> None:
        if done == 2 and child.is_running():
            child.kill()

    async with asyncio.timeout(BOUND):
        pictures = await asyncio.gather(
            *(engine.paint(recipe(engine, seed=seed, side=128, steps=12), Lane.LIVE, kill) for seed in range(6))
        )
    assert len({picture.rgb for picture in pictures}) == 6
    assert process() != child


async def test_two_devices_paint_the_same(model: Path) -> None:
    """`cpu,cpu` paints in two processes: the same recipe gives the same picture, and one goes on without the other."""
    before = set(psutil.Process().children())
    settings = EngineSettings(model=model, devices="cpu,cpu", threads=1)
    async with asyncio.timeout(BOUND), ZImageEngine(settings) as engine:
        ours = [child for child in psutil.Process().children() if child not in before]
        assert (engine.devices, len(ours), engine.paintable.adapters) == (2, 2, {})
        one, other = await asyncio.gather(
            *(engine.paint(recipe(engine), Lane.LIVE, lambda _done, _of: None) for _ in range(2))
        )
        assert max(abs(a - b) for a, b in zip(one.rgb, other.rgb, strict=True)) <= 1
        ours[0].kill()
        await engine.paint(recipe(engine, seed=2), Lane.LIVE, lambda _done, _of: None)


async def test_it_dies_with_its_parent(model: Path) -> None:
    """When the worker is killed in the middle of a step, its engine process ends at once and frees its memory."""
    owner = await asyncio.create_subprocess_exec(sys.executable, OWNER, model, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout
    async with asyncio.timeout(BOUND):
        await owner.stdout.readuntil(b"step 1 of 500\n")
    (child,) = psutil.Process(owner.pid).children()
    owner.kill()
    await owner.communicate()
    assert await asyncio.to_thread(child.wait, 5) is None


async def test_closing_its_stdin_ends_it(engine: ZImageEngine, model: Path, tmp_path: Path) -> None:
    """In the middle of a step, and while it compiles, the end of stdin ends the process without a signal."""
    compiles = shutil.which("g++") is not None
    settings = EngineSettings(model=model, threads=1, compile=compiles, compile_cache=tmp_path)
    environment = child_environment(settings, EngineDevice("cpu", "cpu"), os.environ)
    async with asyncio.timeout(BOUND), open_child(CHILD, environment) as child:
        child.send(Open(settings, "cpu", beat_seconds=5))
        child.send(Paint(1, recipe(engine, side=1024, steps=500), Lane.LIVE))
        while not isinstance(await child.reply(), StepDone):
            pass
        stdin = child._transport.get_pipe_transport(0)
        assert stdin
        stdin.close()
        while await child.reply() is not None:
            pass
    assert child.how_it_ended.how.startswith("exit status 0")


async def test_an_editors_picture_begins_with_the_next_step(engine: ZImageEngine, model: Path) -> None:
    """Sent during a long step of another picture, it is painted when that step ends, not after the picture.

    One more step of the other may be counted: its report may lie in the pipe when this process comes to send.
    """
    settings = EngineSettings(model=model, threads=1)
    environment = child_environment(settings, EngineDevice("cpu", "cpu"), os.environ)
    long, urgent = recipe(engine, side=1024, steps=500), replace(recipe(engine, steps=1), guidance_scale=0.0)
    steps: list[int] = []
    async with asyncio.timeout(BOUND), open_child(CHILD, environment) as child:
        child.send(Open(settings, "cpu", beat_seconds=5))
        child.send(Paint(1, long, Lane.BACKFILL))
        while 2 not in steps:
            reply = await child.reply()
            assert reply is not None
            if isinstance(reply, StepDone):
                steps.append(reply.number)
                if len(steps) == 1:
                    child.send(Paint(2, urgent, Lane.INTERACTIVE))
    assert len(steps) <= 4


async def test_a_missing_folder_is_fatal(tmp_path: Path) -> None:
    """An empty model folder ends the start with an error, before seconds of imports."""
    with pytest.raises(Fatal, match=r"has no model_index\.json") as fatal:
        async with asyncio.timeout(BOUND), ZImageEngine(EngineSettings(model=tmp_path)):
            pytest.fail("entered")
    assert fatal.value.reason is Reason.MODEL_UNAVAILABLE


async def test_a_parent_that_reads_no_pictures_holds_up_no_step(model: Path) -> None:
    """Eight pictures, each larger than a pipe, are painted while none is read; then all of them arrive."""
    ours, theirs = os.pipe()
    settings = EngineSettings(model=model, batch_size=2)
    environment = child_environment(settings, EngineDevice("cpu", "cpu"), os.environ)
    child = subprocess.Popen(  # noqa: ASYNC220, S603 - its pipes are read here, slowly; ours
        CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(theirs,), env=environment
    )
    os.close(theirs)
    assert child.stdin is not None
    assert child.stdout is not None
    identity = ModelIdentity("tiny", "0" * 64)
    recipes = [Recipe("a storm", "", identity, (), 256, 256, 2, 0.0, seed, "default", 1) for seed in range(8)]
    try:
        child.stdin.write(frame(Open(settings, "cpu", 5.0, theirs)))
        child.stdin.write(b"".join(frame(Paint(number, each, Lane.LIVE)) for number, each in enumerate(recipes)))
        child.stdin.flush()
        told = await asyncio.wait_for(asyncio.to_thread(_read, child.stdout.fileno(), StepDone, 16), 120)
        painted = await asyncio.wait_for(asyncio.to_thread(_read, ours, Painted, 8), 60)
    finally:
        child.kill()
        child.wait(30)
        child.stdin.close()
        child.stdout.close()
        os.close(ours)

    assert not any(isinstance(reply, Painted) for reply in told)
    assert sorted(reply.number for reply in painted if isinstance(reply, Painted)) == list(range(8))
    assert all(len(reply.rgb) == 256 * 256 * 3 for reply in painted if isinstance(reply, Painted))


def _read(pipe: int, kind: type[Reply], count: int) -> list[Reply]:
    """Read replies until so many of a kind came."""
    frames: Frames[Reply] = Frames()
    replies: list[Reply] = []
    while sum(isinstance(reply, kind) for reply in replies) < count:
        data = os.read(pipe, 65_536)
        assert data, "the process ended"
        replies.extend(frames.feed(data))
    return replies
