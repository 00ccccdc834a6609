"""`leadart store index` and `store sweep`: what they say, and what they refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumer.cli.root import app
from consumer.errors import Fatal
from consumer.storage import manifest_key
from consumer.storage.archive import Archive
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MADE, MASTER, ORDER, RECIPE

OFFER = replace(ASKED, variants=3)
CHOSEN = replace(RECIPE, seed=2)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> MemoryS3:
    """Stand in for the store: it holds an offer, a picture with renditions, and a manifest that cannot be read."""
    client = MemoryS3()

    @asynccontextmanager
    async def open_archive(_settings: object) -> AsyncIterator[Archive]:
        yield client.archive()

    async def paint() -> None:
        store = client.store()
        await store.keep(RECIPE, MASTER, OFFER)
        chosen = await store.keep(CHOSEN, replace(MASTER, data=b"chosen"), OFFER)
        await store.keep_renditions(chosen, ORDER, MADE)

    asyncio.run(paint())
    client.objects[manifest_key("ab" * 32)] = b"{"
    client.calls.clear()
    monkeypatch.setattr("consumer.storage.archive.open_archive", open_archive)
    return client


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["store", *arguments])


def sweep(*arguments: str) -> Result:
    return run("sweep", "--unchosen", "--older-than", "0s", "--grace", "0s", *arguments)


def test_a_sweep_is_a_dry_run_unless_told_otherwise(client: MemoryS3) -> None:
    """It names each picture, how much would go, and how to do it."""
    result = sweep()

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(f"would delete  {MASTER.sha256}  painted 20")
    assert lines[0].endswith("  1 objects, 15 bytes")
    assert lines[1] == "would delete 1 of 3 pictures: 1 objects, 15 bytes"
    assert "1 manifests cannot be read, and their pictures are left as they are" in result.output
    assert lines[-1] == "dry run: nothing was deleted; add --apply to delete"
    assert client.calls == []


@pytest.mark.parametrize("how", ["--apply", "--execute"])
def test_a_sweep_deletes_what_nobody_chose(client: MemoryS3, how: str) -> None:
    """The other picture stays, and the output says how much went."""
    result = sweep(how)

    assert result.exit_code == 0
    assert "manifests are deleted; objects follow in 0 s, or with the next run" in result.output
    assert "deleted 1 of 3 pictures: 1 objects, 15 bytes" in result.output
    assert manifest_key(RECIPE.digest) not in client.objects
    assert manifest_key(CHOSEN.digest) in client.objects


def test_a_sweep_for_machines(client: MemoryS3) -> None:
    """The same as JSON."""
    told = json.loads(sweep("--json").stdout)

    assert client.calls == []
    (found,) = told.pop("found")
    assert (found["recipe"], found["sha256"]) == (RECIPE.digest, MASTER.sha256)
    assert told == {
        "dry_run": True,
        "pictures": 1,
        "objects": 1,
        "bytes": 15,
        "named": 0,
        "withdrawn": 0,
        "restored": 0,
        "surveyed": {"pictures": 3, "without_asked": 0, "unreadable": 1},
        "more": False,
        "interrupted": 0,
    }


def test_a_sweep_of_nothing_in_particular_is_refused(client: MemoryS3) -> None:
    """What to delete is said in words, never assumed."""
    result = run("sweep", "--apply")

    assert result.exit_code == 2
    assert "--unchosen" in result.output
    assert client.calls == []


def test_a_site_whose_choices_look_like_offers_is_refused(
    client: MemoryS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a slot gets no set but the thumbs, nobody can tell which of its pictures was chosen."""
    file = tmp_path / "renditions.toml"
    file.write_text(
        'thumbs = "t"\n[sets.t]\nwidths = [320]\nformats.webp = { quality = 70 }\n'
        '[sets.h]\nwidths = [640]\nslots = ["hero"]\nformats.webp = { quality = 70 }\n'
    )
    monkeypatch.setenv("LEADART_RENDITIONS__FILE", str(file))

    result = sweep("--apply")

    assert isinstance(result.exception, Fatal)
    assert "let every slot get another set" in result.exception.message
    assert client.calls == []


def test_an_index_says_what_it_wrote(client: MemoryS3) -> None:
    """A dry run what it would write."""
    client.objects = {key: body for key, body in client.objects.items() if not key.startswith("manifests/pictures/")}

    dry, written, again = run("index", "--dry-run"), run("index"), run("index", "--json")

    assert "3 pictures, 2 index entries missing" in dry.output
    assert "3 pictures, 2 index entries written" in written.output
    assert json.loads(again.stdout) == {"dry_run": False, "pictures": 3, "missing": 0, "unreadable": 1}
