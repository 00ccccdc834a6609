from __future__ import annotations

import pytest

from consumer.kafka.acls import Right, missing, worker_rights
from consumer.kafka.topics import LANES
from consumer.settings import Settings
from schemas import names
from schemas.topics import load_topics

SETTINGS = Settings.model_validate({"topics": {"prefix": "staging-"}})
RIGHTS = worker_rights(SETTINGS)


def test_a_worker_needs_something_of_every_topic() -> None:
    """Every topic of the contract is there, under the house's prefix: a worker at least looks at it."""
    assert RIGHTS.keys() == {f"staging-{spec.name}" for spec in load_topics()}
    assert all(RIGHTS.values())


def test_a_worker_reads_lanes_and_heads_and_nothing_else() -> None:
    """The right to read is asked for exactly where records are read."""
    read = {topic for topic, rights in RIGHTS.items() if Right.READ in rights}

    assert read == {f"staging-{topic}" for topic in (*LANES, names.HEADS)}


def test_a_worker_may_not_write_where_it_is_asked() -> None:
    """A worker never writes requests of its own, so nobody has to allow it that."""
    written = {topic for topic, rights in RIGHTS.items() if Right.WRITE in rights}

    assert {f"staging-{base}" for base in (names.REQUESTED, names.BACKFILL)}.isdisjoint(written)


def test_without_progress_its_topic_is_only_looked_at() -> None:
    """The right to write progress goes with the setting."""
    quiet = worker_rights(Settings.model_validate({"worker": {"progress": False}}))

    assert quiet[names.PROGRESS] == {Right.DESCRIBE}


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ({"a": {Right.READ, Right.WRITE, Right.DESCRIBE}}, []),
        ({"a": {Right.READ, Right.DESCRIBE}}, ["write topic a"]),
        ({"a": set()}, ["read topic a", "write topic a"]),
        ({}, []),
    ],
    ids=["all", "one short", "hidden", "unknown"],
)
def test_what_is_missing_is_told(granted: dict[str, set[Right]], told: list[str]) -> None:
    """Each right that is wanted and not granted is told; of a topic that nothing is known of, nothing."""
    wanted = {"a": frozenset({Right.READ, Right.WRITE})}

    assert missing(wanted, {topic: frozenset(rights) for topic, rights in granted.items()}) == told
