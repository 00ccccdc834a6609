"""The command line on its own: pictures without a bus, and sentences for mistakes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.engine.runtime.tiny import build_tiny_model
from tests.support.harness import Site, answer, cms, request_data, workers


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_tiny_model(folder)
    return folder


def leadart(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "consumer", *arguments],
        env={**os.environ, **{f"LEADART_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_generate_makes_a_picture_without_a_bus(model: Path, tmp_path: Path) -> None:
    """`leadart generate` writes one picture of the requested size with the real pipeline."""
    out = tmp_path / "boat.png"
    size = ("--width", "96", "--height", "64", "--steps", "2")
    done = leadart("generate", "a red boat", "--style", "oil_painting", "-o", str(out), *size, ENGINE__MODEL=str(model))

    assert done.returncode == 0, done.stderr
    assert "style oil_painting, 96x64" in done.stdout
    with Image.open(out) as picture:
        assert picture.size == (96, 64)


def test_generate_needs_nothing_but_a_prompt(demo_model: Path, tmp_path: Path) -> None:
    """Without any setting the demo model paints, as the command line says."""
    out = tmp_path / "boat.png"
    options = ("--style", "oil_painting", "--size", "128x96", "--steps", "3", "--guidance", "1", "--seed", "5")
    done = leadart("generate", "A red boat on the sea at dusk", *options, "--out", str(out))

    assert demo_model.is_dir()
    assert done.returncode == 0, done.stderr
    assert "style oil_painting, 128x96, seed 5" in done.stdout
    with Image.open(out) as picture:
        assert picture.size == (128, 96)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("generate", "a red boat", "--out", "."), "is a directory"),
        (("publish", "FILE"), "not a JSON object with an article.id"),
        (("store", "prepare", "--env-file", "FILE"), "is not UTF-8"),
        (("demo", "--out", "FILE/demo"), "Not a directory"),
        (("dev", "--out", "FILE/dev"), "Not a directory"),
    ],
)
def test_a_file_of_the_wrong_kind_is_a_sentence(tmp_path: Path, command: tuple[str, ...], sentence: str) -> None:
    """A folder for a picture, a file for a folder, and text in another encoding end in words."""
    (tmp_path / "latin").write_bytes("grün".encode("latin-1"))
    done = leadart(*(one.replace("FILE", str(tmp_path / "latin")) for one in command))

    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--size", "large"), "such as 256x256"),
        (("--size", "25x256"), "output.width"),
        (("--aspect", "wide"), "output.aspect"),
        (("--model", "/no/such/folder"), "/no/such/folder is not a folder"),
        (("--adapter", "/no/such/file.safetensors"), "does not exist"),
        (("--style", "etching"), "There is no style preset"),
        (("--steps", "0"), "generation.steps"),
    ],
)
def test_generate_says_what_is_wrong(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    """A sentence that names the option or the value, and no picture."""
    done = leadart("generate", "a red boat", *options, "--out", str(tmp_path / "boat.png"), ENGINE__MODEL=str(tmp_path))

    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_contact_sheet_shows_every_style(tmp_path: Path) -> None:
    """`leadart styles --sheet` paints the prompt once in each preset."""
    out = tmp_path / "sheet.png"
    done = leadart("styles", "a red boat", "--sheet", str(out), ENGINE__KIND="swatch")

    assert done.returncode == 0, done.stderr
    with Image.open(out) as picture:
        assert picture.width > picture.height


def test_styles_are_listed() -> None:
    """`leadart styles` names the five presets."""
    listed = leadart("styles").stdout

    assert all(name in listed for name in ("default", "photorealistic", "illustration", "anime", "oil_painting"))


def test_publish_waits_for_the_outcome_and_outcomes_shows_it(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Ready is 0 with the pictures' addresses, failed 1 with its sentence; both are listed afterwards."""
    site = Site.fresh(kafka, s3).prepare()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(request_data("a-1")))
    bad.write_text(json.dumps(request_data("a-2", output={"width": 63})))
    nobody = site.run("publish", str(good), "--wait", "--timeout", "100ms")
    with workers(site, tmp_path):
        ready = site.run("publish", str(good), "--wait")
        failed = site.run("publish", str(bad), "--wait")
        listed = [json.loads(line) for line in site.run("outcomes", "--json").stdout.splitlines()]
        table = site.run("outcomes", "a-2").stdout

    assert (nobody.returncode, ready.returncode, failed.returncode) == (3, 0, 1), (nobody, ready, failed)
    event_id, sentence, url = ready.stdout.splitlines()
    assert "no outcome within 0.1 s" in nobody.stderr
    assert sentence.startswith("ready")
    assert url.startswith("http")
    assert "failed: a-2 revision 1: invalid_field: `output.width`" in failed.stdout
    assert {one["kind"] for one in listed if one["data"]["request_id"] in {event_id, failed.stdout.split()[0]}} == {
        "ready",
        "failed",
    }
    assert "a-2" in table
    assert "a-1" not in table


async def test_outcomes_are_followed_until_ctrl_c(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """What was there is shown, and what comes, each once; Ctrl-C ends it well."""
    site = Site.fresh(kafka, s3).prepare()
    with workers(site, tmp_path):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(request_data("a-1")))
            follow = await asyncio.create_subprocess_exec(
                *site.command,
                *("outcomes", "--follow", "--json"),
                env={**os.environ, **site.env},
                stdout=asyncio.subprocess.PIPE,
            )
            assert follow.stdout
            try:
                async with asyncio.timeout(60):
                    first = json.loads(await follow.stdout.readline())
                    await answer(desk, await desk.ask(request_data("a-2")))
                    second = json.loads(await follow.stdout.readline())
                    follow.send_signal(signal.SIGINT)
                    status = await follow.wait()
            finally:
                with suppress(ProcessLookupError):
                    follow.kill()
            left = await follow.stdout.read()

    assert [one["data"]["article"]["id"] for one in (first, second)] == ["a-1", "a-2"]
    assert (status, left) == (0, b"")


def test_styles_are_listed_as_json() -> None:
    """A desk shows titles and descriptions; versions tell a change."""
    presets = json.loads(leadart("styles", "--json").stdout)
    oil = next(style for style in presets if style["preset"] == "oil_painting")

    assert (oil["title"], oil["version"], oil["adapters"]) == ("Oil painting", 1, [])
    assert all(style["title"] and style["description"] for style in presets)


MISTAKES = [
    (("generate", "x", "-o", "x.png", "--style", "cubism"), {"ENGINE__KIND": "swatch"}, 1, "use one of default"),
    (("generate", "x", "-o", "x.png", "--width", "5000"), {"ENGINE__KIND": "swatch"}, 1, "output.width"),
    (("generate", "x", "-o", "x.png"), {"ENGINE__MODEL": "nowhere"}, 1, "LEADART_ENGINE__MODEL"),
    (("worker",), {"ENGINE__WINDOW": "0"}, 2, "LEADART_ENGINE__WINDOW"),
    (("worker", "--env-file", "nowhere.env"), {}, 2, "nowhere.env"),
    (("lag",), {"KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 1, "Kafka does not answer"),
    (("topics", "reset-offset-metadata", "no-number"), {}, 2, "TOPIC:PARTITION"),
    (("worker",), {"STYLES__FILE": "nowhere.toml", "ENGINE__KIND": "swatch"}, 1, "LEADART_STYLES__FILE"),
]


@pytest.mark.parametrize(("arguments", "settings", "status", "sentence"), MISTAKES)
def test_a_mistake_is_answered_with_a_sentence(
    arguments: tuple[str, ...], settings: dict[str, str], status: int, sentence: str
) -> None:
    """One sentence names the mistake; there is no traceback."""
    done = leadart(*arguments, **settings)

    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
