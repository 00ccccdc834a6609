"""The figures of a day, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.dev.simulate.day.result import HEAD, DayScenario, run_day
from consumer.dev.simulate.day.tally import SaveEnd
from consumer.dev.simulate.scenario import Fleet
from consumer.processing.policy import load_policy
from consumer.processing.styles import load_styles
from consumer.testing.device import DevicePace
from tests.unit.dev.simulate.day.newsrooms import newsroom

pytestmark = pytest.mark.slow


def test_every_request_is_in_one_row_of_each_column() -> None:
    """The rows of ends add up to the requests, and what is saved is measured against doing nothing."""
    styles = load_styles()
    policy = load_policy(Path("newsroom"), styles)
    names: list[str] = []
    few = newsroom(4, writing={"minutes": 5}, published_share=1)
    result = run_day(DayScenario(few, policy, styles, Fleet(1, DevicePace(2.0))), names.append)
    rows = {name: cells for name, *cells in result.rows()}
    figures = json.loads(json.dumps(result.as_json()))

    assert names == ["nothing", "policy", "settle", "both"]
    assert all(len(cells) == len(HEAD) - 1 for cells in rows.values())
    for place, name in enumerate(names):
        column = figures["columns"][name]
        assert sum(column["ends"].values()) == column["requests"] == result.requests
        assert set(column["ends"]) == set(SaveEnd)
        assert rows["declined"][place] == str(column["ends"]["declined"])
        assert column["gpu_hours"] > 0
    assert rows["saved"][0] == "0.0%"
    assert figures["columns"]["both"]["pictures_painted"] < figures["columns"]["nothing"]["pictures_painted"]
    assert figures["columns"]["nothing"]["ends"]["declined"] == 0
    assert figures["columns"]["policy"]["ends"]["declined"] > 0
    assert figures["columns"]["settle"]["ends"]["settled"] > 0
