"""`schemas.topics`: the topics and their configuration."""

from __future__ import annotations

from importlib.resources import files

import pytest
from pydantic import ValidationError

from schemas import ANNOUNCEMENTS, names
from schemas.cloudevents import EVENT_BYTES
from schemas.topics import TopicSpec, load_topics, required_topics

SPECS = {spec.name: spec for spec in load_topics()}
LANES = [names.REQUESTED, names.RETRY_1M, names.RETRY_10M, names.RETRY_1H, names.BACKFILL]


def limit(spec: TopicSpec) -> int:
    return int(spec.config["max.message.bytes"])


def test_the_topics_are_the_contracts() -> None:
    """Each name on the bus has its file, named like the topic."""
    others = [names.OUTCOME, names.PROGRESS, names.DEAD_LETTER, names.HEADS, names.PREFERENCES]
    assert sorted(SPECS) == sorted([*LANES, *others])
    assert sorted(entry.name for entry in files("schemas").joinpath("topics").iterdir()) == [f"{n}.yaml" for n in SPECS]


def test_the_lanes_carry_requests() -> None:
    """The topics that the worker reads have the kind `lane`, and carry requests."""
    assert sorted(name for name, spec in SPECS.items() if spec.kind == "lane") == sorted(LANES)
    carried = {name: spec.types for name, spec in SPECS.items() if spec.kind == "lane"}
    assert carried.pop(names.BACKFILL) == (names.IMAGE_REQUESTED, names.IMAGE_RECROP_REQUESTED)
    assert set(carried.values()) == {names.REQUESTS}


def test_every_announcement_has_its_topic() -> None:
    """Each type that the worker writes is on exactly one topic."""
    carried = [kind for spec in SPECS.values() if spec.kind != "lane" for kind in spec.types]
    assert sorted(carried) == sorted(model.type for model in ANNOUNCEMENTS)


def test_only_the_state_is_compacted() -> None:
    """A compacted lane would lose requests of an article that has a newer one."""
    policies = {name: spec.config["cleanup.policy"] for name, spec in SPECS.items()}
    assert policies.pop(names.HEADS) == policies.pop(names.PREFERENCES) == "compact"
    assert set(policies.values()) == {"delete"}


def test_workers_do_without_the_gateways_topic() -> None:
    """A site that runs no gateway, or has not applied its topic yet, starts its workers as before."""
    assert {spec.name for spec in load_topics()} - {spec.name for spec in required_topics()} == {names.PREFERENCES}


def test_size_limits_leave_room_for_an_outcome() -> None:
    """A request over the contract's limit is still accepted, and any lane's record fits the dead-letter topic."""
    for lane in LANES:
        assert EVENT_BYTES < limit(SPECS[lane]) < limit(SPECS[names.DEAD_LETTER])
    assert all(limit(spec) > EVENT_BYTES for spec in SPECS.values() if not spec.optional)


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_writes_continue_with_one_replica_down(replicas: int, in_sync: str) -> None:
    """The minimum of in-sync replicas is lowered if there are too few to lose one."""
    assert SPECS[names.OUTCOME].config_for(replicas)["min.insync.replicas"] == in_sync


def test_configuration_is_text_as_kafka_requires() -> None:
    """Numbers in the YAML file become text without a fraction."""
    assert SPECS[names.PROGRESS].config["retention.ms"] == "3600000"


@pytest.mark.parametrize("change", [{"name": "a.b"}, {"kind": "queue"}, {"partitions": 12}, {"config": {}}])
def test_a_broken_file_is_refused(change: dict[str, object]) -> None:
    """A wrong name, an unknown kind or field, or no configuration is an error when the topics are loaded."""
    sound = SPECS[names.OUTCOME].model_dump()
    with pytest.raises(ValidationError):
        TopicSpec.model_validate(sound | change)
