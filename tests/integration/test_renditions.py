"""Masters and renditions in a real store: what others read in them, and cropping one from the command line."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from consumer.cli import app
from consumer.engine.swatch import SwatchEngine
from consumer.jobs import FILE_SUFFIXES, Lane, StoredPicture
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.rendition_file import load_renditions
from consumer.renditions import CENTRE, RenditionOrder, StoredRendition
from consumer.settings import EngineSettings, StorageSettings
from consumer.storage import S3Store
from tests.support.mark_readers import by_exiftool, by_exiv2
from tests.support.samples import ASKED, RECIPE

PRODUCER = "The Daily Harbour"
PAINTED = replace(RECIPE, width=1024, height=576)


async def stored(store: S3Store) -> tuple[StoredPicture, tuple[StoredRendition, ...]]:
    """Store a picture and all of its renditions, as a worker does."""
    await store.prepare(create=True)
    with PictureEncoder(1, 1, PRODUCER) as encoder:
        async with SwatchEngine(EngineSettings()) as engine:
            painted = await engine.paint(PAINTED, Lane.LIVE, lambda _done, _of: None)
        picture = await store.keep(PAINTED, await encoder.encode(painted), ASKED)
        master = await store.read(picture)
        assert master is not None
        order = RenditionOrder(load_renditions().full("hero"), CENTRE)
        kept = await store.keep_renditions(picture, order, await encoder.render(master, order))
        assert kept is not None
    return picture, kept.renditions


def crop(digest: str, folder: Path) -> Result:
    return CliRunner().invoke(app, ["crop", digest, "-o", str(folder), "--json"])


async def test_every_stored_file_says_that_it_is_ai_made(storage: StorageSettings, tmp_path: Path) -> None:
    """Fetched from the announced addresses, master and renditions have both marks, by two independent readers."""
    files: list[Path] = []
    async with S3Store(storage) as store, aiohttp.ClientSession() as client:
        picture, renditions = await stored(store)
        objects: list[StoredPicture | StoredRendition] = [picture, *renditions]
        for each in objects:
            url, _ = await store.url(each)
            async with client.get(url) as response:
                files.append(tmp_path / f"{each.sha256}.{FILE_SUFFIXES[each.media_type]}")
                files[-1].write_bytes(await response.read())
    assert {file.suffix for file in files} == {".png", ".avif", ".webp", ".jpg"}
    by_tool = await asyncio.to_thread(by_exiftool, files)
    for file in files:
        for marks in (by_tool[file], await asyncio.to_thread(by_exiv2, file)):
            assert marks["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
            assert marks["AISystemUsed"] == "swatch"
            label = json.loads(marks["AIGC"])
            assert (label["Label"], label["ContentProducer"], label["ProduceID"]) == ("1", PRODUCER, PAINTED.digest)


async def test_a_stored_picture_is_cropped_by_its_digest(
    storage: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SHA-256 or recipe `leadart crop` makes the files that a worker stored, to the byte; others are unknown."""
    async with S3Store(storage) as store:
        picture, renditions = await stored(store)
    for name, value in storage.model_dump(exclude_none=True).items():
        plain = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        monkeypatch.setenv(f"LEADART_STORAGE__{name}".upper(), plain)
    for digest in (picture.sha256, picture.recipe):
        done = await asyncio.to_thread(crop, digest, tmp_path / digest)
        made = {each["sha256"] for each in json.loads(done.output)["renditions"]}
        assert made == {each.sha256 for each in renditions}
    unknown = await asyncio.to_thread(crop, "0" * 64, tmp_path)
    assert (unknown.exit_code, "the store has no undamaged picture" in unknown.output) == (2, True)
