"""A broker that goes by an address that nobody reaches, as behind a container's or a tunnel's port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from consumer.dev.embedded.kafka import KafkaServer

TOLD = "kafka.invalid:9092"


class Misnamed(KafkaServer):
    """A broker that tells clients another address than the one it listens at."""

    def _properties(self) -> str:
        lines = super()._properties().splitlines()
        kept = [line for line in lines if not line.startswith("advertised.listeners")]
        return "\n".join([*kept, f"advertised.listeners=PLAINTEXT://{TOLD}", ""])


@pytest.fixture(scope="module")
def misnamed(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Misnamed]:
    assert kafka.running  # so that a machine without the embedded extra skips here
    with Misnamed(tmp_path_factory.mktemp("misnamed")) as server:
        yield server


@pytest.mark.parametrize(
    "command", ["lag", "topics apply", "doctor", "outcomes", "trace a-1", "dead-letters list", "worker"]
)
def test_the_address_that_the_broker_told_is_named(misnamed: Misnamed, command: str) -> None:
    """Not the bootstrap address, which answers; a worker says so in its log and waits."""
    settings = {"KAFKA__BOOTSTRAP_SERVERS": misnamed.bootstrap_servers, "ENGINE__KIND": "swatch", "HTTP__PORT": "0"}
    env = {**os.environ, **{f"LEADART_{name}": value for name, value in settings.items()}}
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "consumer", *command.split()],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            said = _until(running, TOLD)
        finally:
            running.kill()

    assert f"{misnamed.bootstrap_servers} sends clients to the addresses that the brokers go by, and {TOLD} " in said
    assert "advertised.listeners" in said
    assert "Traceback" not in said


def _until(running: subprocess.Popen[str], wanted: str) -> str:
    """Return the line that says it."""
    assert running.stdout is not None
    for line in running.stdout:
        if f"and {wanted}" in line:
            return line
    return ""
