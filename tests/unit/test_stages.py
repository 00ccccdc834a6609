"""Opening the stages: what keeps a worker from joining the group."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from consumer import stages
from consumer.engine.swatch import SwatchEngine
from consumer.errors import Fatal
from consumer.settings import EngineSettings, Settings
from consumer.settings.resources import bundled
from schemas import Reason

BOUND = 10.0


async def test_a_worker_without_an_adapter_of_its_styles_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the sentence before it speaks to Kafka, and so before a request could be painted without."""
    monkeypatch.setattr(stages, "open_engine", SwatchEngine)
    file = tmp_path / "styles.toml"
    shipped = bundled("styles.toml").read_text(encoding="utf-8")
    file.write_text(shipped + 'adapters = [{ name = "print-house" }]\n', encoding="utf-8")
    settings = Settings.model_validate({"styles": {"file": file}, "http": {"port": 0}})
    with pytest.raises(Fatal, match=r"'oil_painting' names the adapter 'print-house'.*ENGINE__ADAPTERS") as fatal:
        async with asyncio.timeout(BOUND), stages.open_stages(settings):
            pass

    assert fatal.value.reason is Reason.MISCONFIGURED


async def test_what_has_to_be_there_is_awaited_between_engine_and_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """`leadart demo` lets the model load while Kafka starts; nothing speaks to Kafka before."""
    engines: list[SwatchEngine] = []

    def open_engine(settings: EngineSettings) -> SwatchEngine:
        engines.append(SwatchEngine(settings))
        return engines[0]

    async def before_bus() -> None:
        assert engines
        raise LookupError("asked in time")

    monkeypatch.setattr(stages, "open_engine", open_engine)
    monkeypatch.setattr(stages, "open_admin", lambda _settings: pytest.fail("Kafka was asked first"))
    with pytest.raises(LookupError, match="asked in time"):
        async with (
            asyncio.timeout(BOUND),
            stages.open_stages(Settings.model_validate({"http": {"port": 0}}), before_bus),
        ):
            pass
