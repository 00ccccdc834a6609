"""The policy in force follows its files; one with a mistake changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consumer.errors import Fatal
from consumer.processing.policy import PAINT_EVERYTHING, reloading
from consumer.processing.policy.reloading import PolicyInForce
from consumer.processing.styles import load_styles

LISTED = '[lists]\nnames = "names.txt"\n[[rules]]\nname = "names"\nwhen.lists = ["names"]\nallow = true\n'


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    names(file, "Ada\n")
    save(file, '"one"')
    return file


def names(file: Path, text: str, listed: str = "names.txt") -> None:
    file.with_name(listed).write_text(text, encoding="utf-8")


def save(file: Path, label: str, listed: str = "names.txt") -> None:
    file.write_text(f"label = {label}\n{LISTED}".replace("names.txt", listed), encoding="utf-8")


def relink(file: Path, other: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(other)
    link.replace(file)


@asynccontextmanager
async def watched(policy: PolicyInForce) -> AsyncIterator[None]:
    task = asyncio.create_task(policy.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_changed_file_is_read(file: Path) -> None:
    """The policy itself, and any of its lists."""
    policy = PolicyInForce(file, load_styles(), look_seconds=0.01)
    first = policy.current.version
    async with watched(policy):
        save(file, '"two"')
        await until(lambda: policy.current.version.startswith("two/"))
        second = policy.current.version
        names(file, "Ada\nGrace\n")
        await until(lambda: policy.current.version != second)
    assert first.startswith("one/")


async def test_a_file_replaced_by_a_link_is_read(file: Path) -> None:
    """As Kubernetes changes a ConfigMap: the name stays, and points to another folder."""
    other = file.parent / "other.toml"
    save(other, '"two"')
    policy = PolicyInForce(file, load_styles(), look_seconds=0.01)
    async with watched(policy):
        relink(file, other)
        await until(lambda: policy.current.version.startswith("two/"))


async def test_a_bad_file_leaves_the_rules_as_they_were(file: Path) -> None:
    """The log says what is wrong, once; the worker says that it is degraded until the file is mended."""
    policy = PolicyInForce(file, load_styles(), look_seconds=0.01)
    before = policy.current
    with capture_logs() as logs:
        async with watched(policy):
            save(file, "3")
            await until(lambda: policy.problem() is not None)
            assert policy.current is before
            save(file, '"two"')
            await until(lambda: policy.problem() is None)
    assert policy.current.version.startswith("two/")
    refused = [entry for entry in logs if entry["event"] == "policy_refused"]
    assert [entry["in_force"] for entry in refused if "policy.toml:1: label" in entry["error"]] == [before.version]
    assert [entry["version"] for entry in logs if entry["event"] == "policy_loaded"][-1] == policy.current.version


async def test_a_list_that_comes_later_than_its_name_is_read(file: Path) -> None:
    """An editor may save the policy first; only files in force are watched, so a refused one is tried again."""
    policy = PolicyInForce(file, load_styles(), look_seconds=0.01)
    async with watched(policy):
        save(file, '"two"', "later.txt")
        await until(lambda: policy.problem() is not None)
        names(file, "Ada\n", "later.txt")
        await until(lambda: policy.current.version.startswith("two/"))


async def test_whatever_is_wrong_with_a_file_ends_no_worker(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that fails while the list is read a second time is no reason to paint without rules, or to die."""
    policy = PolicyInForce(file, load_styles(), look_seconds=0.01)
    before = policy.current

    def fail(path: Path, styles: object) -> None:
        raise OSError(5, "Input/output error", str(path), styles is None)

    monkeypatch.setattr(reloading, "load_policy", fail)
    async with watched(policy):
        save(file, '"two"')
        await until(lambda: policy.problem() is not None)
        monkeypatch.undo()
        await until(lambda: policy.problem() is None)
    assert before.version.startswith("one/")
    assert policy.current.version.startswith("two/")


async def test_asking_reads_it_without_waiting_for_the_next_look(file: Path) -> None:
    """An operator sends SIGHUP, and the file is read, however long the next look is away."""
    asked = asyncio.Event()
    policy = PolicyInForce(file, load_styles(), look_seconds=3600, asked=asked)
    async with watched(policy):
        save(file, '"two"')
        asked.set()
        await until(lambda: policy.current.version.startswith("two/"))


async def test_a_site_without_a_policy_watches_nothing() -> None:
    """Its task ends at once."""
    policy = PolicyInForce(None, load_styles())
    await asyncio.wait_for(policy.run(), 1)
    assert policy.current is PAINT_EVERYTHING
    assert policy.problem() is None


def test_a_worker_does_not_start_without_its_rules(tmp_path: Path) -> None:
    """At the start a file that cannot be read is fatal."""
    with pytest.raises(Fatal, match="LEADART_POLICY__FILE"):
        PolicyInForce(tmp_path / "absent.toml", load_styles())
