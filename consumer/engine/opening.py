"""From the settings to a model that is ready to paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from consumer.engine.model import Model, find_device, load_pipeline
from consumer.engine.warmup import warm_up
from consumer.engine.weights.apply import load_house
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from consumer.settings import EngineSettings

RECOMPILE_LIMIT = 64
"""Variants of a block that are compiled before torch falls back to eager: masks and each set of adapters make some."""


def open_model(settings: EngineSettings, device: str) -> Model:
    """Load the model and what the house lays over it, put it in its place and warm it up.

    Raises Fatal with a sentence that names the folder or the setting.
    """
    if settings.model is None:
        raise Fatal(
            Reason.MISCONFIGURED, "LEADART_ENGINE__MODEL is not set: it names the folder of a Z-Image pipeline."
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    target = find_device(device)
    pipeline = load_pipeline(settings.model, target)
    house = load_house(pipeline.transformer, settings)
    model = Model(pipeline, target, settings.memory, house)
    if settings.compile:
        # One compiled block serves all layers; with dynamic shapes it serves all sizes and prompts.
        torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT  # noqa: SLF001 - the documented place of this setting
        model.transformer.compile_repeated_blocks(dynamic=True)
    warm_up(model, settings, settings.model)
    return model
