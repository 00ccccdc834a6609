from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.demo.stack import StackPlan, as_environment, settings_of
from consumer.errors import Fatal
from consumer.settings import Settings

TREE = {
    "kafka": {"bootstrap_servers": "127.0.0.1:1234"},
    "storage": {"endpoint_url": "http://127.0.0.1:1/", "secret_access_key": "s#cret 'x'"},
    "engine": {"model": Path("/models/a model")},
    "http": {"port": 0},
}


def test_a_worker_reads_what_the_stack_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment given to a worker makes the settings that the stack itself uses."""
    for name, value in as_environment(TREE).items():
        monkeypatch.setenv(name, value)

    assert Settings() == Settings.model_validate(TREE)


def test_an_address_that_is_none_is_named() -> None:
    """A wrong option is a sentence with its name, not a trace."""
    with pytest.raises(Fatal, match=r"storage\.endpoint_url: "):
        settings_of({"storage": {"endpoint_url": "not an address"}})


def test_what_the_stack_says_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own settings hold where the stack says nothing."""
    monkeypatch.setenv("LEADART_KAFKA__BOOTSTRAP_SERVERS", "kafka.example.org:9092")
    monkeypatch.setenv("LEADART_KAFKA__GROUP_ID", "mine")
    settings = settings_of(TREE)

    assert (settings.kafka.bootstrap_servers, settings.kafka.group_id) == ("127.0.0.1:1234", "mine")


def test_only_servers_of_its_own_are_its_own() -> None:
    """A stack is shared as soon as one of its addresses was given."""
    assert not StackPlan(Path("out")).shared
    assert StackPlan(Path("out"), bootstrap_servers="kafka:9092").shared
    assert StackPlan(Path("out"), endpoint_url="http://store").shared
