"""`leadart doctor`: check what a worker needs. Nothing is changed, except for one probe object in the store."""

from collections.abc import Awaitable, Callable

from consumer.admin.checks import CheckResult, CheckStatus
from consumer.admin.cluster_checks import check_cluster
from consumer.delivery.ports import BusError
from consumer.engine.weights import adapter_files, check_folder, examine_custom_weights
from consumer.errors import LeadartError
from consumer.processing.styles import load_styles, require_adapters
from consumer.settings import EngineKind, Settings
from consumer.storage import ADDRESSES_END_EARLY, S3Store


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Check styles, engine, store and bus, in this order; a check that fails does not hide the others."""
    results = []
    for subject, check in (("styles", _styles), ("engine", _engine), ("store", _store), ("bus", check_cluster)):
        results += await _guarded(subject, check, settings)
    return results


async def _guarded(
    subject: str, check: Callable[[Settings], Awaitable[list[CheckResult]]], settings: Settings
) -> list[CheckResult]:
    try:
        return await check(settings)
    except LeadartError as error:
        return [CheckResult(subject, CheckStatus.FAILURE, error.message)]
    except BusError as error:
        message = f"{settings.kafka.bootstrap_servers} does not answer: {error}"
        return [CheckResult(subject, CheckStatus.FAILURE, message)]


async def _styles(settings: Settings) -> list[CheckResult]:
    presets, engine = load_styles(settings.styles.file).presets, settings.engine
    files = adapter_files(engine.adapters) if engine.kind is EngineKind.ZIMAGE else []
    require_adapters(presets.values(), engine.kind, [file.stem for file in files])
    return [CheckResult("styles", CheckStatus.OK, f"{len(presets)} presets: {', '.join(presets)}")]


async def _engine(settings: Settings) -> list[CheckResult]:
    engine = settings.engine
    if engine.kind is EngineKind.SWATCH:
        return [CheckResult("engine", CheckStatus.WARNING, "the swatch engine paints colour cards, not pictures")]
    if engine.model is None:
        message = "LEADART_ENGINE__MODEL is not set: it names the model's folder"
        return [CheckResult("engine", CheckStatus.FAILURE, message)]
    check_folder(engine.model)
    return [
        CheckResult("engine", CheckStatus.OK, f"{engine.model} holds a Z-Image pipeline in safetensors"),
        *(CheckResult("weights", CheckStatus.OK, sentence) for sentence in examine_custom_weights(engine)),
    ]


async def _store(settings: Settings) -> list[CheckResult]:
    async with S3Store(settings.storage) as store:
        await store.prepare()
        early = await store.addresses_end_early()
    message = f"bucket {settings.storage.bucket} exists and honours conditional writes"
    results = [CheckResult("store", CheckStatus.OK, message)]
    return [*results, CheckResult("store", CheckStatus.WARNING, ADDRESSES_END_EARLY)] if early else results
