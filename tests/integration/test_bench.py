"""The benchmarks run and tell the truth about what they counted; how fast they are is judged elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from consumer.bench.delivery import measure_delivery
from consumer.bench.plan import Plan, Side
from consumer.bench.report import document, rows, verdict

if TYPE_CHECKING:
    from consumer.embedded.kafka import KafkaServer

BOUND = 180.0


async def test_delivery_is_measured_on_both_sides(kafka: KafkaServer) -> None:
    """A small run counts one outcome for each request on both sides, and can be told as table, JSON and document."""
    if find_spec("faststream") is None and os.environ.get("CI") != "true":
        pytest.skip("FastStream is not installed: leadart[bench]")
    heard: list[str] = []
    plan = Plan(events=600, rounds=1, paced_events=5)

    async with asyncio.timeout(BOUND):
        result = await measure_delivery(plan, kafka.bootstrap_servers, heard.append)

    assert [flood.side for flood in result.floods] == list(Side)
    assert all(flood.per_second > 0 and flood.count.requests == plan.events for flood in result.floods)
    for side in Side:
        assert result.count(side).missing == result.count(side).doubled == 0
        assert 0 < result.percentile(side, 50) <= result.percentile(side, 99)
    assert result.promise_kept
    assert _alike(*(flood.bytes_each for flood in result.floods))
    told = json.loads(json.dumps(result.as_json()))
    assert told["ratio"] == pytest.approx(result.speed(Side.LEADART) / result.speed(Side.FASTSTREAM))
    assert all(cell in document(result, "leadart bench delivery") for row in rows(result) for cell in row)
    assert f"{result.ratio:.2f}" in verdict(result)
    assert len(heard) == 1 + len(result.floods) + len(result.paced)


def _alike(ours: int, theirs: int) -> bool:
    """Return whether outcomes are as large on both sides, give or take a tenth."""
    return abs(ours - theirs) < ours / 10
