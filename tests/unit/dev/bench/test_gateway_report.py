"""`consumer.dev.bench.gateway_report`: the figures decide the verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from consumer.dev.bench.gateway_report import GatewayResult, gateway_report

FAST = GatewayResult(
    machine={"processor": "two cores"},
    listeners=500,
    accepted_per_second=(700.0, 510.0, 600.0),
    paced_seconds=(0.004, 0.005, 0.006),
    fan_seconds=(0.2, 0.1, 0.3),
    fan_half_seconds=(0.1, 0.05, 0.15),
    queued_seconds=(0.01, 0.02, 0.03),
    ready_seconds=(1.0, 5.0, 2.0),
    engine_seconds=(0.5, 4.0, 1.0),
)


def test_all_bars_are_met_by_medians() -> None:
    """The picture's time is without the engine's; the report has every figure with its spread."""
    report = gateway_report(FAST)
    assert report.passed
    assert FAST.card_seconds == (0.5, 1.0, 1.0)
    assert ("requests accepted per second", "600", "510 to 700", "at least 500") in report.rows
    assert all(cell in report.document("leadart bench gateway --write") for row in report.rows for cell in row)
    assert json.loads(json.dumps(report.figures))["accepted"] == 600


@pytest.mark.parametrize(
    "slow",
    [
        replace(FAST, accepted_per_second=(499.0,)),
        replace(FAST, paced_seconds=(0.001, 0.002, 0.5)),
        replace(FAST, fan_seconds=(1.1,)),
        replace(FAST, engine_seconds=(0.0, 0.0, 0.0), ready_seconds=(3.0, 3.0, 3.0)),
    ],
)
def test_one_bar_that_is_missed_is_said(slow: GatewayResult) -> None:
    """The verdict names it, and the command's exit status is 1."""
    report = gateway_report(slow)
    assert not report.passed
    assert report.verdict.count("missed") == 1
