"""The broker that asks who comes, started once for all tests of access."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from tests.support.acls import documented, revocable, with_each_missing
from tests.support.guarded import GuardedKafka


@pytest.fixture(scope="session")
def guarded(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """Kafka with TLS, SASL and an authorizer; it knows every user that the rights' document and its tests name."""
    assert kafka.running  # so that a machine without the embedded extra skips here
    members = dict.fromkeys(acl.user for acl in [*with_each_missing(documented()), *revocable(documented())])
    with GuardedKafka(tmp_path_factory.mktemp("guarded-kafka"), list(members)) as server:
        yield server
