"""`leadart demo`, as it is run: on servers of its own, with the real worker."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.demo.articles import load_edition
from consumer.dev.embedded import KafkaServer, S3Server
from schemas import names
from tests.support.commands import leadart
from tests.support.harness import Site, cms, request_data

# The demo starts its own; asked for here so that a machine without them skips, or fails in CI.
pytestmark = pytest.mark.usefixtures("kafka", "s3")

SLOW = {"LEADART_ENGINE__SWATCH_SECONDS": "3"}
EDITION = load_edition()


@pytest.fixture
def _torch() -> None:
    if find_spec("torch") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("torch is not installed: pip install 'leadart[engine]'")
        pytest.skip("torch is not installed: pip install 'leadart[engine]'")


def _events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def _outcomes(out: Path) -> list[dict[str, Any]]:
    return [event for event in _events(out) if event["topic"].endswith(names.OUTCOME)]


def _check_files(out: Path, model: str) -> None:
    """Check what a good demo leaves against itself: the events, the pictures, the page."""
    outcomes = _outcomes(out)
    kinds = Counter(outcome["headers"]["ce_type"] for outcome in outcomes)
    pictures = [picture for outcome in outcomes for picture in outcome["data"].get("pictures", [])]
    announced = {Path(file["key"]).name for picture in pictures for file in (picture, *picture["renditions"])}
    models = {outcome["data"]["model"]["name"] for outcome in outcomes if "model" in outcome["data"]}
    files = {file.name: file.read_bytes() for file in (out / "pictures").iterdir()}
    page = (out / "index.html").read_text(encoding="utf-8")

    assert Counter(outcome["headers"]["ce_causationid"] for outcome in outcomes) == Counter(
        save.event.id for save in EDITION
    )
    assert kinds == {names.IMAGE_READY: len(EDITION) - 1, names.IMAGE_FAILED: 1}
    assert models == {model}
    assert sum(outcome["data"].get("reused", False) for outcome in outcomes) == 1
    assert set(files) == announced
    assert all(hashlib.sha256(data).hexdigest() == Path(name).stem for name, data in files.items())
    assert all(f"pictures/{name}" in page for name in announced)
    assert {event["topic"] for event in _events(out)} == {names.OUTCOME, names.PROGRESS, names.DEAD_LETTER}


async def test_the_demo_with_the_swatch_engine(tmp_path: Path) -> None:
    """Exit 0: every save got its outcome; page, pictures and events are there, and no process is left."""
    async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path)) as demo:
        status = await demo.end()
        left = await demo.left_behind()

    assert status == 0, "".join(demo.lines)
    assert not left
    assert f"{len(EDITION)} of {len(EDITION)} saves got the outcome they should" in "".join(demo.lines)
    _check_files(tmp_path, "swatch")
    assert "swatch engine" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_torch", "demo_model")
async def test_the_demo_with_the_model_that_ships(tmp_path: Path) -> None:
    """The same with a real Z-Image pipeline: the page says what the model can paint, and what it cannot."""
    async with leadart("demo", "--out", str(tmp_path)) as demo:
        status = await demo.end()

    assert status == 0, "".join(demo.lines)
    _check_files(tmp_path, "demo")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "it cannot paint" in page
    assert "random" not in page


@pytest.mark.parametrize(
    ("number", "cue"),
    [
        (signal.SIGINT, "14 saves"),
        (signal.SIGTERM, "store at"),
        (signal.SIGINT, "Kafka at"),
        (signal.SIGTERM, "painting"),
    ],
)
async def test_a_signal_leaves_no_process(tmp_path: Path, number: signal.Signals, cue: str) -> None:
    """Ctrl-C or SIGTERM in any phase ends the demo soon, and all that came of it."""
    async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path), env=SLOW) as demo:
        await demo.until(cue)
        assert demo.processes()
        status = await demo.end(number)
        left = await demo.left_behind()

    assert status == 128 + number
    assert not left


@pytest.mark.usefixtures("_torch", "demo_model")
@pytest.mark.parametrize("cue", ["store at", "painting"])
async def test_a_signal_leaves_no_engine(tmp_path: Path, cue: str) -> None:
    """The engine that loads the model or paints with it ends with the demo too."""
    async with leadart("demo", "--out", str(tmp_path)) as demo:
        await demo.until(cue)
        status = await demo.end(signal.SIGINT)
        left = await demo.left_behind()

    assert status == 130
    assert not left


@pytest.mark.parametrize("cue", ["Kafka at", "painting"])
async def test_a_killed_demo_leaves_no_process(tmp_path: Path, cue: str) -> None:
    """`kill -9` gives it no time to tidy up; its children notice and end by themselves."""
    env = SLOW | {"TMPDIR": str(tmp_path)}  # what it cannot remove any more
    async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path / "out"), env=env) as demo:
        await demo.until(cue)
        assert len(demo.processes()) > 2
        status = await demo.end(signal.SIGKILL)
        left = await demo.left_behind()

    assert status == -signal.SIGKILL
    assert not left


async def test_a_demo_whose_worker_dies_says_so(tmp_path: Path) -> None:
    """Nobody waits for outcomes that cannot come: exit 1, and a sentence with the worker's log."""
    broken = {"LEADART_STYLES__FILE": str(tmp_path / "no-such-file.toml")}
    async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path / "out"), env=broken) as demo:
        status = await demo.end()
        left = await demo.left_behind()

    assert status == 1
    assert "no-such-file.toml" in "".join(demo.lines)
    assert not left


async def test_a_demo_on_servers_that_are_there_already(
    tmp_path: Path, site: Site, kafka: KafkaServer, s3: S3Server
) -> None:
    """It starts no servers of its own, and a second run is not fooled by what the first one left."""
    where = ("--bootstrap-servers", kafka.bootstrap_servers, "--endpoint-url", s3.endpoint_url)
    for _ in range(2):
        async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path), *where, env=site.env) as demo:
            await demo.until("painting")
            assert not any("kafka.Kafka" in line or "weed" in line for line in demo.processes())
            status = await demo.end()
        assert status == 0, "".join(demo.lines)
    assert len(_outcomes(tmp_path)) == len(EDITION)


async def test_it_does_not_answer_for_a_group_in_use(tmp_path: Path, site: Site, kafka: KafkaServer) -> None:
    """With requests waiting for the group, the demo refuses to start: it would answer them."""
    site.prepare()
    async with cms(site) as desk:
        await desk.ask(request_data("a-real-one"))
    where = ("--bootstrap-servers", kafka.bootstrap_servers)
    async with leadart("demo", "--engine", "swatch", "--out", str(tmp_path), *where, env=site.env) as demo:
        status = await demo.end()

    assert status == 1
    assert "is in use" in "".join(demo.lines)
    assert "1 records waiting" in "".join(demo.lines).replace("\n", " ")


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3)
