from __future__ import annotations

import pytest

from consumer.kafka.acls import TopicOperation, missing_operations, required_operations
from consumer.kafka.topics import LANES
from consumer.settings import Settings
from schemas import names
from schemas.topics import required_topics

SETTINGS = Settings.model_validate({"topics": {"prefix": "staging-"}})
REQUIRED = required_operations(SETTINGS)


def test_a_worker_needs_an_operation_on_every_topic() -> None:
    """Every topic of the contract is there, with the configured prefix: a worker at least describes it."""
    assert REQUIRED.keys() == {f"staging-{spec.name}" for spec in required_topics()}
    assert all(REQUIRED.values())


def test_a_worker_reads_lanes_and_heads_and_nothing_else() -> None:
    """READ is required exactly where records are read."""
    read = {topic for topic, operations in REQUIRED.items() if TopicOperation.READ in operations}

    assert read == {f"staging-{topic}" for topic in (*LANES, names.HEADS)}


def test_a_worker_never_writes_requests() -> None:
    """A worker publishes no requests, so WRITE on their topics is not required."""
    written = {topic for topic, operations in REQUIRED.items() if TopicOperation.WRITE in operations}

    assert {f"staging-{base}" for base in (names.REQUESTED, names.BACKFILL)}.isdisjoint(written)


def test_without_progress_its_topic_is_only_described() -> None:
    """WRITE on the progress topic is required only with the setting."""
    quiet = required_operations(Settings.model_validate({"worker": {"progress": False}}))

    assert quiet[names.PROGRESS] == {TopicOperation.DESCRIBE}


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ({"a": {TopicOperation.READ, TopicOperation.WRITE, TopicOperation.DESCRIBE}}, []),
        ({"a": {TopicOperation.READ, TopicOperation.DESCRIBE}}, ["write topic a"]),
        ({"a": set()}, ["read topic a", "write topic a"]),
        ({}, []),
    ],
    ids=["all", "one short", "hidden", "unknown"],
)
def test_missing_operations_are_named(granted: dict[str, set[TopicOperation]], missing: list[str]) -> None:
    """Each operation that is required and not granted is named; a topic that nothing is known of is left out."""
    required = {"a": frozenset({TopicOperation.READ, TopicOperation.WRITE})}

    assert missing_operations(required, {topic: frozenset(found) for topic, found in granted.items()}) == missing
