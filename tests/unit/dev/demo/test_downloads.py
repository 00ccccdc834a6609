from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.downloads import compare, download
from consumer.jobs import Paintable, Recipe
from consumer.processing.prompting import make_plan
from consumer.processing.styles import Styles
from schemas import ImageRequested
from tests.unit.dev.demo.conftest import MODEL, picture_of, png, rendition_of


@pytest.fixture
def recipe(styles: Styles) -> Recipe:
    return make_plan(ImageRequested.model_validate(load_edition()[1].request), styles, Paintable(MODEL)).recipes[0]


def test_a_picture_that_is_what_was_announced(recipe: Recipe) -> None:
    """Equal digest, size, type and pixels: nothing to tell."""
    assert compare(picture_of(0, recipe), png(recipe), "image/png") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "0" * 64), ("bytes", 1), ("width", 512), ("height", 16), ("media_type", "image/webp")],
)
def test_every_announced_fact_is_checked(recipe: Recipe, field: str, value: Any) -> None:
    """One wrong fact is one named problem; a wrong media type is one of the bytes and of the header."""
    announced = picture_of(0, recipe).model_copy(update={field: value})
    problems = compare(announced, png(recipe), "image/png")

    assert problems[0].startswith(f"{field} is ")
    assert len(problems) == (2 if field == "media_type" else 1)


def test_a_wrong_content_type_is_a_problem(recipe: Recipe) -> None:
    """A browser goes by the header."""
    assert compare(picture_of(0, recipe), png(recipe), "application/octet-stream") == [
        "content type is application/octet-stream, announced image/png"
    ]


def test_bytes_that_are_no_picture_are_a_problem(recipe: Recipe) -> None:
    """An error page is not taken for a picture."""
    assert "not a picture" in compare(picture_of(0, recipe), b"<html>", "image/png")[0]


async def test_a_picture_is_fetched_from_its_address(recipe: Recipe, tmp_path: Path) -> None:
    """What the address serves lies in the folder, under its digest."""
    data = png(recipe)
    async with _serving(data) as server, aiohttp.ClientSession() as client:
        announced = picture_of(0, recipe).model_copy(update={"url": str(server.make_url("/picture"))})
        fetched = await download(client, announced, tmp_path)

    assert fetched.problems == ()
    assert fetched.file == tmp_path / f"{hashlib.sha256(data).hexdigest()}.png"
    assert fetched.file.read_bytes() == data


async def test_every_rendition_is_fetched_and_compared(recipe: Recipe, tmp_path: Path) -> None:
    """Renditions lie beside the picture; one that differs, and one that is gone, are problems of the picture."""
    data = png(recipe)
    async with _serving(data) as server, aiohttp.ClientSession() as client:
        here, gone = (str(server.make_url(path)) for path in ("/picture", "/gone"))
        picture = picture_of(0, recipe).model_copy(update={"url": here})
        facts = picture.model_dump(include={"media_type", "bytes", "sha256", "url", "width", "height"})
        right = rendition_of(picture, "square", 1.0, "image/png").model_copy(update=facts)
        wrong, lost = right.model_copy(update={"bytes": 7}), right.model_copy(update={"url": gone})
        announced = picture.model_copy(update={"renditions": (right, wrong, lost)})
        fetched = await download(client, announced, tmp_path)

    assert fetched.renditions == (fetched.file, fetched.file)
    assert fetched.problems[0] == f"picture 0, {right.name} in image/png: bytes is {len(data)}, announced 7"
    assert fetched.problems[1].startswith(f"picture 0, {right.name} in image/png could not be fetched: ")
    assert len(fetched.problems) == 2


async def test_a_picture_that_is_not_there_is_a_problem(recipe: Recipe, tmp_path: Path) -> None:
    """A refused request costs a sentence, not the demo."""
    async with _serving(b"") as server, aiohttp.ClientSession() as client:
        announced = picture_of(0, recipe).model_copy(update={"url": str(server.make_url("/gone"))})
        fetched = await download(client, announced, tmp_path)

    assert fetched.file is None
    assert "picture 0 could not be fetched" in fetched.problems[0]
    assert "404" in fetched.problems[0]


def _serving(data: bytes) -> TestServer:
    async def serve(request: web.Request) -> web.Response:
        del request
        return web.Response(body=data, content_type="image/png")

    application = web.Application()
    application.router.add_get("/picture", serve)
    return TestServer(application)
