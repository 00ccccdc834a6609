"""Real servers, started once a run when first asked for, and an environment without the developer's own settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from consumer.dev.embedded import EmbeddedMissing, KafkaServer, S3Server, Server
from consumer.settings import StorageSettings
from tests.support import npm
from tests.support.absent import absent

# Beside other work torch's threads wait for each other in loops: with two, a demo picture took four times the CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a shared machine a slow example says nothing about the code.
hypothesis.settings.register_profile("leadart", deadline=None)
hypothesis.settings.load_profile("leadart")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LEADART_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command run inside a test must not send the whole run's logs into its captured, soon closed output."""
    monkeypatch.setattr("consumer.cli.shared.configure_logs", lambda *_arguments, **_options: None)


@pytest.fixture(scope="session")
def demo_model() -> Path:
    """The folder of the model that ships."""
    folder = Path(__file__).resolve().parents[1] / "ops" / "demo-model" / "model"
    if not folder.is_dir():
        absent("the demo model's weights are not in this checkout")
    return folder


@pytest.fixture(scope="session")
def house_style(demo_model: Path) -> Path:
    """The LoRA of the house style over that model."""
    file = demo_model.with_name("house") / "two-colour.safetensors"
    if not file.is_file():
        absent("the house style's LoRA is not in this checkout")
    return file


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Apache Kafka, for the whole run: make topics of your own."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    _start(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS, for the whole run: make buckets of your own."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    _start(server)
    yield server
    server.stop()


@pytest.fixture
def storage(s3: S3Server) -> StorageSettings:
    """Settings for SeaweedFS with a bucket of the test's own, not made yet."""
    return StorageSettings.model_validate(
        {
            "endpoint_url": s3.endpoint_url,
            "bucket": f"test-{uuid4().hex}",
            "access_key_id": s3.access_key_id,
            "secret_access_key": s3.secret_access_key,
        }
    )


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds what `tests/e2e/clients/package.json` names, and the programs beside that file."""
    clients = Path(__file__).parent / "e2e" / "clients"
    try:
        installed = npm.modules(clients / "package.json")
    except npm.NpmMissingError as missing:
        absent(str(missing))
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(clients, folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(installed)
    return folder


def _start(server: Server) -> None:
    try:
        server.start()
    except EmbeddedMissing as missing:
        absent(missing.message)
