from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.embedded import kafka


def test_a_killed_brokers_fencing_is_awaited_from_the_controllers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the controller may need longer to start than to fence: its start must not count as patience."""
    monkeypatch.setattr(kafka, "_FENCING_SECONDS", 0.0)
    controller = kafka._FencingController(tmp_path, "", [], {})
    assert not controller._answers()
    controller.log.write_text("[main] INFO kafka.server.KafkaRaftServer - Kafka Server started\n")
    assert controller._answers()
