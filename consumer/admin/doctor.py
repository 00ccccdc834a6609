"""`leadart doctor`: examines what the worker needs before it is needed, changing nothing but one probe object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.admin.checks import Finding, Verdict
from consumer.admin.cluster_checks import examine_bus
from consumer.delivery.ports import BusError
from consumer.engine.weights import adapter_files, check_folder, examine_house
from consumer.errors import LeadartError
from consumer.processing.styles import load_styles, require_adapters
from consumer.settings import EngineKind
from consumer.storage import ADDRESSES_END_EARLY, S3Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumer.settings import Settings


async def examine(settings: Settings) -> list[Finding]:
    """Look at styles, engine, store and bus, in this order; one that fails does not hide the others."""
    findings = []
    for subject, look in (("styles", _styles), ("engine", _engine), ("store", _store), ("bus", examine_bus)):
        findings += await _guarded(subject, look, settings)
    return findings


async def _guarded(
    subject: str, look: Callable[[Settings], Awaitable[list[Finding]]], settings: Settings
) -> list[Finding]:
    try:
        return await look(settings)
    except LeadartError as error:
        return [Finding(subject, Verdict.FAILURE, error.message)]
    except BusError as error:
        return [Finding(subject, Verdict.FAILURE, f"{settings.kafka.bootstrap_servers} does not answer: {error}")]


async def _styles(settings: Settings) -> list[Finding]:
    presets, engine = load_styles(settings.styles.file).presets, settings.engine
    files = adapter_files(engine.adapters) if engine.kind is EngineKind.ZIMAGE else []
    require_adapters(presets.values(), engine.kind, [file.stem for file in files])
    return [Finding("styles", Verdict.OK, f"{len(presets)} presets: {', '.join(presets)}")]


async def _engine(settings: Settings) -> list[Finding]:
    engine = settings.engine
    if engine.kind is EngineKind.SWATCH:
        return [Finding("engine", Verdict.WARNING, "the swatch engine makes colour cards, not pictures")]
    if engine.model is None:
        return [Finding("engine", Verdict.FAILURE, "LEADART_ENGINE__MODEL is not set: it names the model's folder")]
    check_folder(engine.model)
    return [
        Finding("engine", Verdict.OK, f"{engine.model} holds a Z-Image pipeline in safetensors"),
        *(Finding("weights", Verdict.OK, sentence) for sentence in examine_house(engine)),
    ]


async def _store(settings: Settings) -> list[Finding]:
    async with S3Store(settings.storage) as store:
        await store.prepare()
        early = await store.addresses_end_early()
    found = [Finding("store", Verdict.OK, f"bucket {settings.storage.bucket} is there and honours conditional writes")]
    return [*found, Finding("store", Verdict.WARNING, ADDRESSES_END_EARLY)] if early else found
