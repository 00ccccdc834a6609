from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.dev.embedded import kafka
from consumer.errors import Fatal

STARTED = "[main] INFO kafka.server.KafkaRaftServer - Kafka Server started\n"
FENCED = "[QuorumController id=1] Fencing broker 1 at epoch 12 because its session has timed out.\n"


@pytest.fixture
def controller(tmp_path: Path) -> kafka._FencingController:
    return kafka._FencingController(tmp_path, "", [], {}, tmp_path)


@pytest.fixture
def writes(tmp_path: Path, controller: kafka._FencingController) -> Callable[[int], bool]:
    """Let the controller write so often, and return whether it is done then."""

    def write(times: int) -> bool:
        done = False
        for _ in range(times):
            with (tmp_path / "0.log").open("ab") as segment:
                segment.write(b"x")
            done = controller._answers()
        return done

    return write


def test_a_fencing_has_to_be_written_before_the_controller_is_ended(
    controller: kafka._FencingController, writes: Callable[[int], bool]
) -> None:
    """What is only logged may be lost with the controller, which then refuses the broker's return as a second one."""
    controller.log.write_text(STARTED + FENCED)
    assert not writes(kafka._WRITES_UNTIL_KEPT)
    assert not controller._answers()
    assert writes(1)


def test_a_killed_brokers_fencing_is_awaited_by_what_the_controller_does(
    controller: kafka._FencingController, writes: Callable[[int], bool]
) -> None:
    """On a busy machine neither its start nor standing still counts as patience; with nothing to fence it ends."""
    assert not writes(kafka._WRITES_UNTIL_FENCED)
    controller.log.write_text(STARTED)
    assert not writes(kafka._WRITES_UNTIL_FENCED)
    assert not controller._answers()
    assert writes(1)


def test_a_format_that_takes_too_long_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine too busy to run the tool in time, the start fails with what it was doing."""
    monkeypatch.setattr(kafka, "_FORMAT_SECONDS", 0.01)
    with pytest.raises(Fatal, match=r"could not format its storage within 0\.01 s"):
        kafka._format([sys.executable, "-c", "input()"], {})
