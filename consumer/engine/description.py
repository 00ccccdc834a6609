"""The model and adapters of an engine with these settings, without starting it, so that recipes can be built."""

from consumer.engine.weights import check_folder, identify_model
from consumer.engine.weights.gate import adapter_files
from consumer.engine.weights.identity import checkpoint_sha256
from consumer.errors import Fatal
from consumer.jobs import Paintable
from consumer.settings import EngineKind, EngineSettings
from schemas import Reason


def describe(settings: EngineSettings) -> Paintable:
    """Return the model and the adapters as the engine would, but without `coverage`.

    Hashes the weights, which takes seconds for gigabytes; does not load them and needs no torch. Raises `Fatal` if no
    model is configured or its weights cannot be read.
    """
    if settings.kind is EngineKind.SWATCH:
        from consumer.engine.swatch import MODEL  # noqa: PLC0415 - needs Pillow

        return Paintable(MODEL)
    if settings.model is None:
        raise Fatal(Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set here, and the recipe names the weights.")
    check_folder(settings.model)
    try:
        adapters = {file.stem: checkpoint_sha256(file) for file in adapter_files(settings.adapters)}
        return Paintable(identify_model(settings), adapters)
    except OSError as error:
        raise Fatal(Reason.MODEL_UNAVAILABLE, f"The weights cannot be read here: {error}.") from error
