"""Real servers, started once a run when first asked for, and an environment without the developer's own settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import hypothesis
import pytest

from consumer.embedded import KafkaServer, Missing, S3Server
from consumer.settings import StorageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.embedded import Server


# On a shared machine a slow example says nothing about the code.
hypothesis.settings.register_profile("leadart", deadline=None)
hypothesis.settings.load_profile("leadart")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LEADART_")]:
        monkeypatch.delenv(name)


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


def _start(server: Server) -> None:
    try:
        server.start()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(missing.message)
