from __future__ import annotations

from pathlib import Path

from consumer.dev.demo.dev import farewell
from consumer.dev.demo.stack import StackPlan


def test_the_end_says_what_becomes_of_the_data() -> None:
    """Deleted unless kept or on existing servers."""
    assert "Kafka and the store are deleted" in farewell(StackPlan(Path("out")))
    assert "the data of the store are deleted" in farewell(StackPlan(Path("out"), bootstrap_servers="kafka:9092"))
    assert "stay in my data" in farewell(StackPlan(Path("out"), keep=Path("my data")))
    assert "stay there" in farewell(StackPlan(Path("out"), bootstrap_servers="k:9092", endpoint_url="http://s3"))
