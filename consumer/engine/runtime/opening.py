"""Opening of the model: from the settings to one that is ready to paint."""

import torch

from consumer.engine.runtime.compiling import wants_compiling
from consumer.engine.runtime.custom_weights import load_custom_weights
from consumer.engine.runtime.model import Model, find_device, load_pipeline, weights_dtype
from consumer.engine.runtime.placement import first_place
from consumer.engine.runtime.quantise import require_fp8
from consumer.engine.runtime.warmup import warm_up
from consumer.engine.weights import check_folder
from consumer.engine.weights.source import parameters_of
from consumer.errors import Fatal
from consumer.settings import EngineSettings, QuantizationKind
from schemas import Reason


def open_model(settings: EngineSettings, device: str) -> Model:
    """Load the base model, the custom checkpoint and adapters; place it on the device; warm up.

    Raises Fatal naming the folder or the setting.
    """
    if settings.model is None:
        raise Fatal(
            Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set: it names the folder of a Z-Image pipeline."
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    target = find_device(device)
    check_folder(settings.model)
    if settings.quantization is QuantizationKind.FP8:
        require_fp8(target, weights_dtype(target))
    wants_compiling(settings.compile, target.type)  # a missing compiler ends the start before anything is loaded
    itemsize = weights_dtype(target).itemsize
    parts = {part: count * itemsize for part, count in parameters_of(settings.model).items()}
    pipeline = load_pipeline(settings.model, target, first_place(settings.memory, parts, target))
    custom = load_custom_weights(pipeline.transformer, settings)
    model = Model(pipeline, target, settings, custom)
    warm_up(model, settings, settings.model)
    return model
