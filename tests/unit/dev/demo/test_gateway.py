from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from consumer.dev.demo import gateway
from consumer.dev.demo.gateway import GatewayProcess, open_dev_gateway
from consumer.settings import GatewaySettings


def _port(process: GatewayProcess) -> str:
    return process._command()[1]["LEADART_GATEWAY__PORT"]


def test_a_taken_port_is_left_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway listens on its usual port, to which the demo's page links, or on any if that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(GatewaySettings.model_fields["port"], "default", taken)
        assert _port(GatewayProcess(tmp_path, {})) == "0"
    assert _port(GatewayProcess(tmp_path, {})) == str(taken)


async def test_without_its_extra_it_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`leadart dev` starts all the same, and says what to install."""
    monkeypatch.setattr(
        gateway, "find_spec", lambda name: None if name == "fastapi" else importlib.util.find_spec(name)
    )
    said: list[str] = []
    async with open_dev_gateway(tmp_path, {}, said.append) as opened:
        assert opened is None
    assert said == ["no gateway and no desk: they need pip install 'leadart[gateway]'"]
