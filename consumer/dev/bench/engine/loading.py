"""The model that is measured: a folder's, or one with random weights."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import diffusers
import torch
import transformers

from consumer.dev.bench.engine.full import build_full_model, is_small
from consumer.dev.bench.engine.plan import EnginePlan, RandomModel
from consumer.engine.runtime.model import Model, find_device, load_pipeline
from consumer.engine.runtime.tiny import build_tiny_model
from consumer.errors import Fatal
from consumer.settings import EngineSettings, ForwardKind, MemoryPolicy
from schemas import Reason

_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def load_bench_model(plan: EnginePlan) -> Model:
    """Load the plan's model. Raises `Fatal`."""
    settings = plan.settings
    if plan.compiled and settings.forward is ForwardKind.STOCK:
        raise Fatal(Reason.MISCONFIGURED, "--compile needs LEADART_ENGINE__FORWARD=packed: leave one of them out.")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.compile_cache:
        os.environ[_CACHE] = str(settings.compile_cache)
    device = find_device(settings.devices.split(",")[0])
    # The full-size model is built on its device; judged by the memory left after that, it would be offloaded.
    policy = MemoryPolicy.RESIDENT if plan.random is RandomModel.FULL else settings.memory
    placed = settings.model_copy(update={"memory": policy})
    return Model(_pipeline(plan, device), device, placed)


def _pipeline(plan: EnginePlan, device: torch.device) -> Any:
    if plan.random is RandomModel.FULL:
        return build_full_model(device)
    with _folder(plan.random, plan.settings) as folder:
        return load_pipeline(folder, device)


@contextmanager
def _folder(random: RandomModel | None, settings: EngineSettings) -> Iterator[Path]:
    """Yield the model's folder: the one named, or a temporary one with a tiny model."""
    if random is None:
        if settings.model is None:
            raise Fatal(Reason.MISCONFIGURED, "Which model? --model FOLDER, or --random tiny or full.")
        yield settings.model
        return
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / "tiny"
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        build_tiny_model(folder)
        yield folder


def suited(plan: EnginePlan, model: Model) -> EnginePlan:
    """Return the plan with sizes that suit the model's. Raises `Fatal` when it cannot paint a shape of the plan."""
    sized = replace(plan, small=is_small(model.pipeline))
    for shape in sized.kinds:
        if complaint := model.unsupported(shape.width, shape.height):
            raise Fatal(Reason.MISCONFIGURED, f"--shapes {shape}: {complaint[1]}")
    return sized
