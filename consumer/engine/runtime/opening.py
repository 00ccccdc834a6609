"""Opening of the model: from the settings to one that is ready to paint."""

import torch

from consumer.engine.runtime.custom_weights import load_custom_weights
from consumer.engine.runtime.model import Model, find_device, load_pipeline
from consumer.engine.runtime.warmup import warm_up
from consumer.errors import Fatal
from consumer.settings import EngineSettings
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
    pipeline = load_pipeline(settings.model, target)
    custom = load_custom_weights(pipeline.transformer, settings)
    model = Model(pipeline, target, settings, custom)
    warm_up(model, settings, settings.model)
    return model
