"""The KEDA manifest, held against the names and the limits of the worker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from consumer.kafka.topics import LANES
from consumer.settings import Settings
from consumer.telemetry.names import MetricName

MANIFEST = Path(__file__).parents[2] / "ops" / "keda" / "scaledobject.yaml"


def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())
    assert (found["apiVersion"], found["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    return found["spec"]  # type: ignore[no-any-return]


def triggers(kind: str) -> list[dict[str, str]]:
    return [trigger["metadata"] for trigger in spec()["triggers"] if trigger["type"] == kind]


def test_every_lane_wakes_a_worker() -> None:
    """With all workers down each lane by itself brings one up, the retry lanes too, and from the oldest record on."""
    lanes = triggers("kafka")

    assert [lane["topic"] for lane in lanes] == list(LANES)
    assert {lane["consumerGroup"] for lane in lanes} == {Settings().kafka.group_id}
    assert {(lane["activationLagThreshold"], lane["offsetResetPolicy"]) for lane in lanes} == {("0", "earliest")}


def test_a_long_job_does_not_end_its_worker() -> None:
    """Lag that did not move between two polls counts, and there are never more workers than partitions."""
    assert {lane["excludePersistentLag"] for lane in triggers("kafka")} == {"false"}
    assert spec()["maxReplicaCount"] == Settings().topics.partitions


def test_values_are_text() -> None:
    """KEDA takes every value of a trigger as text; a bare number or truth value is refused."""
    assert {type(value) for kind in ("kafka", "prometheus") for told in triggers(kind) for value in told.values()} == {
        str
    }


def test_its_query_names_metrics_that_there_are() -> None:
    """The query is over what a worker exports."""
    (told,) = triggers("prometheus")

    assert set(re.findall(r"leadart_\w+", told["query"])) <= set(MetricName)
