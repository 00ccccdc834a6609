"""The engine's parent side against scripted processes that die, hang and lie, and do not really paint."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from consumer.engine import device_worker, process
from consumer.engine.client import ZImageEngine
from consumer.errors import Fatal, LeadartError, Rejected, Transient, Unpaintable
from consumer.jobs import Lane, ModelIdentity, Picture, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

SCRIPT = Path(__file__).with_name("scripted_child.py")


@pytest.fixture(autouse=True)
async def _bounded() -> AsyncIterator[None]:
    """Check that nothing is left running when a test ends."""
    yield
    left = psutil.wait_procs(children(), timeout=5)[1]
    assert not left


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if SCRIPT.name in " ".join(child.cmdline())]


def scripted(
    mode: str = "serve", batch: int = 1, *, silence: float = 30, load: float = 30, devices: str = "cpu"
) -> ZImageEngine:
    """Return an engine whose processes do what `mode` and the prompts say."""
    settings = EngineSettings(
        model=Path("model"), step_timeout_seconds=silence, load_timeout_seconds=load, devices=devices
    )
    return ZImageEngine(settings, command=(sys.executable, str(SCRIPT), mode, str(batch)))


def recipe(prompt: str) -> Recipe:
    return Recipe(prompt, "", ModelIdentity("scripted", "0" * 64), (), 16, 16, 2, 0.0, 1, "default", 1)


async def paint(engine: ZImageEngine, prompt: str) -> Picture:
    """Paint within ten seconds."""
    async with asyncio.timeout(10):
        return await engine.paint(recipe(prompt), Lane.LIVE, lambda _done, _of: None)


async def paint_all(engine: ZImageEngine, *prompts: str) -> list[Picture | BaseException]:
    return await asyncio.gather(*(paint(engine, prompt) for prompt in prompts), return_exceptions=True)


async def test_replies_find_their_pictures() -> None:
    """Each caller gets its own recipe's picture and steps; failures arrive as the right error types."""
    steps: list[tuple[int, int]] = []
    async with scripted() as engine, asyncio.timeout(10):
        picture = await engine.paint(recipe("mine"), Lane.LIVE, lambda done, of: steps.append((done, of)))
        results = await paint_all(engine, "a", "fail", "stumble", "b")
    assert (picture.recipe, picture.width, picture.engine_seconds) == (recipe("mine"), 1, 0.5)
    assert steps == [(1, 2)]
    assert [type(result) for result in results] == [Picture, Unpaintable, Transient, Picture]
    assert [result.field for result in results if isinstance(result, LeadartError)] == ["output", None]
    assert [result.recipe.prompt for result in results if isinstance(result, Picture)] == ["a", "b"]


async def test_the_log_says_how_long_a_start_took() -> None:
    """From the process's start until it is ready, and until its first picture, of which each process tells once."""
    with capture_logs() as logs:
        async with scripted() as engine:
            await paint_all(engine, "one", "two")
    told = [(entry["event"], entry["device"]) for entry in logs if "seconds" in entry]
    assert told == [("engine_ready", "cpu"), ("engine_first_picture", "cpu")]
    ready, painted = (entry["seconds"] for entry in logs if "seconds" in entry)
    assert 0 <= ready <= painted < 10


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("compile", {"event": "engine_compiled", "log_level": "info", "seconds": 61.5, "parts": "decoder"}),
        (
            "fail-to-compile",
            {
                "event": "engine_not_compiled",
                "log_level": "warning",
                "seconds": 2.5,
                "error": "RuntimeError: no kernel",
            },
        ),
    ],
)
async def test_the_log_says_how_compiling_went(mode: str, told: dict[str, object]) -> None:
    """Which device paints with what from then on, or why it goes on as before; either way it paints."""
    with capture_logs() as logs:
        async with scripted(mode) as engine:
            await paint(engine, "one")
    assert [entry for entry in logs if "compiled" in entry["event"]] == [{"device": "cpu", **told}]


async def test_poison_is_rejected_and_its_batch_is_painted() -> None:
    """A picture that ends processes that paint others is rejected; those in its batch and later ones arrive."""
    async with scripted(batch=4) as engine:
        results = await paint_all(engine, "a", "die", "b", "c", "behind")
        assert [type(result) for result in await paint_all(engine, *"defg")] == [Picture] * 4
        assert engine.restarts == 3
    poison = results.pop(1)
    assert isinstance(poison, Rejected)
    assert poison.reason is Reason.ENGINE_POISON
    assert [type(result) for result in results] == [Picture] * 4


async def test_a_death_is_forgiven_once() -> None:
    """A picture that was in flight when a process died is painted by the next one, and so are later pictures."""
    async with scripted() as engine:
        first = await paint(engine, "before")
        second = await paint(engine, "die unless alone")
        third = await paint(engine, "after")
    assert first.rgb != third.rgb
    assert second.rgb == third.rgb + b" alone"


async def test_only_what_was_being_painted_is_suspected() -> None:
    """If a process had gone on to paint one picture alone, only that one is blamed for its death."""
    async with scripted(batch=3) as engine:
        results = await paint_all(engine, "go on alone and die", "a", "b")
    pictures = [result.rgb for result in results if isinstance(result, Picture)]
    assert [picture.endswith(b" alone") for picture in pictures] == [True, False, False]


async def test_a_slow_process_is_kept() -> None:
    """A picture may take longer than `step_timeout_seconds` as long as its steps do not."""
    async with scripted(silence=1) as engine:
        slow = await paint(engine, "slow")
        assert (await paint(engine, "after")).rgb == slow.rgb


async def test_a_silent_process_is_replaced() -> None:
    """A process that sends nothing for `step_timeout_seconds` is killed, and its pictures go to the next one."""
    async with scripted(batch=2, silence=1) as engine:
        results = await paint_all(engine, "hang unless alone", "a")
    assert [type(result) for result in results] == [Picture, Picture]


async def test_a_picture_that_always_hangs_is_poison() -> None:
    """Hanging counts like dying, and the engine remembers it at the next attempt."""
    async with scripted(silence=0.5) as engine:
        with pytest.raises(Transient):
            await paint(engine, "hang")
        await paint(engine, "another")
        with pytest.raises(Rejected) as refused:
            await paint(engine, "hang")
    assert refused.value.reason is Reason.ENGINE_POISON


async def test_poison_that_comes_first_waits_for_another_picture() -> None:
    """A picture that ended two processes is tried again only once another is painted, and is told apart then."""
    async with scripted(batch=2) as engine:
        poison, other = await paint_all(engine, "die", "a")
        assert engine.restarts == 3
    assert isinstance(poison, Rejected)
    assert isinstance(other, Picture)


async def test_an_engine_that_dies_of_everything_blames_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While every process dies of whatever it paints, every picture fails as ours; afterwards all can be painted."""
    deadly = tmp_path / "deadly"
    deadly.touch()
    monkeypatch.setenv("MARKS", str(tmp_path))
    prompts = [str(number) for number in range(4)]
    async with scripted(batch=2) as engine:
        failed = await paint_all(engine, *prompts)
        failed += await paint_all(engine, *prompts)
        deadly.unlink()
        painted = await paint_all(engine, *prompts)
    assert {(type(error), error.reason) for error in failed if isinstance(error, LeadartError)} == {
        (Transient, Reason.ENGINE_FAILED)
    }
    assert len(failed) == 8
    assert {type(picture) for picture in painted} == {Picture}


@pytest.mark.alone
async def test_a_process_killed_for_memory_blames_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel kills for memory, batches get smaller, and a picture that is alone fails as ours, by name."""
    (tmp_path / "deadly").touch()
    monkeypatch.setenv("MARKS", str(tmp_path))
    kills = itertools.count()
    monkeypatch.setattr(process, "_oom_kills", lambda: next(kills))
    with capture_logs() as logs:
        async with scripted(batch=4) as engine:
            for _ in range(2):
                results = await paint_all(engine, "a", "b", "c", "d")
                assert {getattr(result, "reason", None) for result in results} == {Reason.ENGINE_FAILED}
                assert all("lack of memory" in str(result) and "16x16" in str(result) for result in results)
                assert not any(isinstance(result, Rejected) for result in results)
    assert [line["batch_size"] for line in logs if line["event"] == "engine_batch_limited"] == [2]


async def test_a_process_that_garbles_is_replaced() -> None:
    """Bytes that are no message end the process, not the worker."""
    async with scripted() as engine:
        assert await paint(engine, "garble")


async def test_a_freeze_of_the_worker_is_not_blamed_on_the_engine() -> None:
    """When the worker itself was frozen for longer than the limit, its engine process is kept."""
    async with scripted(silence=1) as engine:
        before = await paint(engine, "before")
        time.sleep(2)  # noqa: ASYNC251 - the freeze
        await asyncio.sleep(0.5)  # the watch has had its say
        assert (await paint(engine, "after")).rgb == before.rgb


async def test_cancelling_drops_the_picture() -> None:
    """A cancelled picture is dropped by the process."""
    async with scripted(batch=3) as engine:
        unwanted, wanted = (asyncio.create_task(paint(engine, prompt)) for prompt in ("unwanted", "wanted"))
        await asyncio.sleep(0)
        unwanted.cancel()
        assert (await wanted).recipe.prompt == "wanted"  # painted because of the drop: two of three never start
        with pytest.raises(asyncio.CancelledError):
            await unwanted


async def test_an_error_of_a_callback_stays_with_its_caller() -> None:
    """When `on_step` raises, that `paint` raises it and the engine goes on."""

    def stumble(_done: int, _of: int) -> None:
        raise ZeroDivisionError

    async with scripted() as engine, asyncio.timeout(10):
        with pytest.raises(ZeroDivisionError):
            await engine.paint(recipe("a"), Lane.LIVE, stumble)
        assert await paint(engine, "b")


@pytest.mark.parametrize(
    ("mode", "reason", "words"),
    [
        ("die", Reason.ENGINE_FAILED, "keeps dying; the last one: exit status 3: loading as scripted: die"),
        ("refuse", Reason.MISCONFIGURED, "Told to refuse."),
        ("hang", Reason.MODEL_UNAVAILABLE, "LEADART_ENGINE__LOAD_TIMEOUT_SECONDS"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_fatal(mode: str, reason: Reason, words: str) -> None:
    """Dying three times while loading, refusing, and loading too long each end in an error, not in a loop."""
    async with asyncio.timeout(20):
        with pytest.raises(Fatal) as fatal:
            async with scripted(mode, load=1 if mode == "hang" else 30):
                pytest.fail("entered")
    assert fatal.value.reason is reason
    assert words in fatal.value.message


async def test_an_engine_that_once_was_ready_may_hang_while_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a storage that stalls: its processes are replaced, and what waits is painted once one loads."""
    monkeypatch.setenv("MARKS", str(tmp_path))
    async with scripted("hang-again", load=5) as engine, asyncio.timeout(60):
        waiting = asyncio.create_task(engine.paint(recipe("die unless alone"), Lane.LIVE, lambda _done, _of: None))
        while engine.restarts < 3:
            await asyncio.sleep(0.05)
        (tmp_path / "cpu").unlink()  # the next process serves
        assert (await waiting).rgb.endswith(b" alone")


async def test_no_model_set_is_fatal() -> None:
    """Without a folder there is nothing to start."""
    with pytest.raises(Fatal, match="LEADART_ENGINE__MODEL is not set"):
        async with ZImageEngine(EngineSettings(), command=(sys.executable, str(SCRIPT), "serve", "1")):
            pytest.fail("entered")


async def test_a_command_that_is_not_there_is_fatal(tmp_path: Path) -> None:
    """A process that cannot be started is tried three times."""
    with pytest.raises(Fatal, match="could not be started"):
        async with ZImageEngine(EngineSettings(model=tmp_path), command=(str(tmp_path / "nothing"),)):
            pytest.fail("entered")


@pytest.mark.parametrize(("mode", "words"), [("die-idle", "keeps dying"), ("change", "folder changed")])
async def test_giving_up_ends_the_context(mode: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that keeps dying for long, or a different model, interrupts the body of the context."""
    monkeypatch.setattr(device_worker, "_GIVE_UP_SECONDS", 0.0)
    engine = scripted(mode)

    async def own() -> None:
        async with engine:
            if mode == "change":
                await paint(engine, "die unless alone")
            await asyncio.Event().wait()

    with pytest.raises(Fatal, match=words):
        await asyncio.wait_for(own(), 20)
    with pytest.raises(Fatal, match=words):
        await paint(engine, "too late")


async def test_errors_of_the_context_come_through_bare() -> None:
    """An exception of the body is not wrapped in a group, and keeps its cause."""
    with pytest.raises(KeyError) as raised:
        async with scripted():
            raise KeyError("mine") from ValueError("cause")
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize("mode", ["serve", "stubborn"])
async def test_leaving_ends_the_process_and_the_waiting(mode: str) -> None:
    """On leaving, the process ends within bounds, even a stubborn one, and no caller waits any longer."""
    async with asyncio.timeout(10):
        async with scripted(mode, batch=9) as engine:
            waiting = asyncio.create_task(paint(engine, "never begun"))
            await asyncio.sleep(0)
            assert len(children()) == 1
        assert not children()
        assert not engine.ready
        with pytest.raises(Transient, match="closed"):
            await waiting


async def test_cancelling_the_owner_ends_the_process() -> None:
    """Cancelled while the model loads, the engine leaves no process."""

    async def own() -> None:
        async with scripted("hang"):
            pytest.fail("entered")

    owner = asyncio.create_task(own())
    async with asyncio.timeout(10):
        while not children():
            await asyncio.sleep(0.01)
        owner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await owner
    assert not children()
