"""The benchmarks run and tell the truth about what they counted; how fast they are is judged elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
from importlib.util import find_spec

import pytest

from consumer.dev.bench.delivery import measure_delivery
from consumer.dev.bench.delivery_report import delivery_report
from consumer.dev.bench.delivery_result import DeliveryPlan, DeliverySide
from consumer.dev.bench.engine.plan import PictureShape, RandomModel, order
from consumer.dev.bench.gateway import GatewayPlan, measure_gateway
from consumer.dev.bench.gateway_report import gateway_report
from consumer.dev.bench.replay import measure_replay
from consumer.dev.bench.worker import WorkerPlan, measure_worker
from consumer.dev.bench.worker_report import WorkerSide, worker_report
from consumer.dev.embedded.kafka import KafkaServer
from consumer.errors import Fatal
from consumer.settings import EngineSettings

BOUND = 180.0


async def test_delivery_is_measured_on_both_sides(kafka: KafkaServer) -> None:
    """A small run counts one outcome per request on both sides, and can be reported as table, JSON and document."""
    if find_spec("faststream") is None and os.environ.get("CI") != "true":
        pytest.skip("FastStream is not installed: leadart[bench]")
    heard: list[str] = []
    plan = DeliveryPlan(events=600, rounds=1, paced_events=5)

    async with asyncio.timeout(BOUND):
        result = await measure_delivery(plan, kafka.bootstrap_servers, heard.append)

    assert [flood.side for flood in result.floods] == list(DeliverySide)
    assert all(flood.per_second > 0 and flood.count.requests == plan.events for flood in result.floods)
    for side in DeliverySide:
        assert result.count(side).missing == result.count(side).doubled == 0
        assert 0 < result.percentile(side, 50) <= result.percentile(side, 99)
    assert result.promise_kept
    assert _alike(*(flood.bytes_each for flood in result.floods))
    figures = json.loads(json.dumps(result.as_json()))
    assert figures["ratio"] == pytest.approx(result.speed(DeliverySide.LEADART) / result.speed(DeliverySide.FASTSTREAM))
    report = delivery_report(result)
    assert all(cell in report.document("leadart bench delivery") for row in report.rows for cell in row)
    assert f"{result.ratio:.2f}" in report.verdict
    assert len(heard) == 1 + len(result.floods) + len(result.paced)


async def test_the_whole_worker_is_measured_beside_its_engine() -> None:
    """A small run paints the same pictures on both sides, and can be reported as table, JSON and document."""
    heard: list[str] = []
    settings = EngineSettings(devices="cpu", threads=1)
    plan = WorkerPlan(settings, RandomModel.TINY, PictureShape(64, 64, 2, 2.0), pictures=5, rounds=2)

    async with asyncio.timeout(BOUND):
        result = await measure_worker(plan, heard.append)

    assert [(turn.turn, turn.side) for turn in result.turns] == [
        (turn, side) for turn in range(2) for side in order(WorkerSide, turn)
    ]
    assert all(turn.seconds > 0 and turn.cpu_seconds > 0 for turn in result.turns)
    figures = json.loads(json.dumps(result.as_json()))
    assert figures["ratio"] == pytest.approx(result.speed(WorkerSide.WORKER) / result.speed(WorkerSide.ENGINE))
    report = worker_report(result)
    written = report.document("leadart bench worker")
    assert all(cell in written for row in report.rows for cell in row)
    assert report.verdict in written
    assert "has not been measured" in report.verdict
    assert len(heard) == 1 + len(result.turns)


async def test_the_whole_worker_needs_a_model() -> None:
    """Neither folder nor random model: the sentence says what to give."""
    with pytest.raises(Fatal, match="--model FOLDER, or --random"):
        await measure_worker(WorkerPlan(EngineSettings(devices="cpu")), lambda _said: None)


def _alike(ours: int, theirs: int) -> bool:
    """Return whether outcomes are as large on both sides, give or take a tenth."""
    return abs(ours - theirs) < ours / 10


async def test_a_replay_is_measured_on_real_servers(kafka: KafkaServer) -> None:
    """A small run replays what was made, paints nothing again, and counts one outcome for each request."""
    assert kafka.running  # so that a machine without the embedded extra skips here
    heard: list[str] = []

    async with asyncio.timeout(BOUND):
        result = await measure_replay(300, 1, heard.append)

    assert result.promise_kept
    assert (result.outcomes, result.reused) == (300, 300)
    assert result.per_second > 0
    assert json.loads(json.dumps(result.as_json()))["events"] == 300


async def test_the_gateway_is_measured_beside_its_broker(kafka: KafkaServer) -> None:
    """A small run has every figure of the report, each measured."""
    assert kafka.running  # so that a machine without the embedded extra skips here
    heard: list[str] = []
    plan = GatewayPlan(rounds=2, flood_seconds=1.0, paced_seconds=1.0, listeners=5, events=3, cards=2)

    async with asyncio.timeout(BOUND):
        result = await measure_gateway(plan, heard.append)

    assert (len(result.accepted_per_second), len(result.fan_seconds), len(result.ready_seconds)) == (2, 3, 2)
    assert len(result.paced_seconds) == 100
    assert all(0 < half <= last for half, last in zip(result.fan_half_seconds, result.fan_seconds, strict=True))
    assert min(*result.accepted_per_second, *result.queued_seconds, *result.card_seconds) > 0
    report = gateway_report(result)
    assert all(cell in report.document("leadart bench gateway") for row in report.rows for cell in row)
