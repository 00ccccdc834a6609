"""A run of `leadart bench engine`: load the model, let the sides take turns, measure each."""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import diffusers
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from consumer.dev.bench.engine.corpus import BenchRequest, mixed_requests, pictures, requests_of
from consumer.dev.bench.engine.full import build_full_model, is_full_size
from consumer.dev.bench.engine.painters import Painter, prepare_painters
from consumer.dev.bench.engine.plan import EnginePlan, EngineSide, RandomModel, order
from consumer.dev.bench.engine.result import BenchDevice, EngineResult, EngineTurn, Workload, WorkloadResult
from consumer.engine.runtime.model import Model, find_device, load_pipeline
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.engine.runtime.tiny import build_tiny_model
from consumer.errors import Fatal
from consumer.jobs import Recipe
from consumer.settings import EngineSettings, MemoryPolicy
from schemas import Reason

_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_SIDES = {"cuda": 8192}
_SIDE_ELSEWHERE = 2048
_TRIES = 8
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def measure_engine(plan: EnginePlan, machine: Mapping[str, str], report: Callable[[str], None]) -> EngineResult:
    """Run the plan, reporting each workload.

    Raises `Fatal` for a model, a device or a shape that cannot be used.
    """
    settings = plan.settings
    model = _model(plan)
    where = BenchDevice(
        model.device.type,
        str(model.transformer.dtype).removeprefix("torch."),
        torch.get_num_threads(),
        matrix_peak(model.device, model.transformer.dtype),
        is_full_size(model.pipeline),
    )
    report(f"{where.kind}, {where.dtype}, {where.threads} threads: peak {where.matrix_peak / 1e12:.3g} TFLOP/s")
    painters, compile_seconds = prepare_painters(model, settings)
    contests = [
        _contest(plan, model, painters, (str(shape), batch, requests_of(shape, batch)), report)
        for shape in plan.kinds
        for batch in plan.batches
    ]
    mixed = _mixed(plan, model, painters, report) if plan.mixed else None
    cache = str(settings.compile_cache) if settings.compile_cache else None
    return EngineResult(
        machine, where, plan.rounds, model.token_seconds, tuple(contests), mixed, compile_seconds, cache
    )


def _model(plan: EnginePlan) -> Model:
    """Load the plan's model. Raises `Fatal`, also when it cannot paint a shape of the plan."""
    settings = plan.settings
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.compile_cache:
        os.environ[_CACHE] = str(settings.compile_cache)
    device = find_device(settings.devices.split(",")[0])
    # The full-size model is built on its device; judged by the memory left after that, it would be offloaded.
    policy = MemoryPolicy.RESIDENT if plan.random is RandomModel.FULL else settings.memory
    # Compiled arithmetic is a side of its own.
    placed = settings.model_copy(update={"memory": policy, "compile": False})
    model = Model(_pipeline(plan, device), device, placed)
    _require_fit(plan, model)
    return model


def _mixed(
    plan: EnginePlan, model: Model, painters: Mapping[EngineSide, Painter], report: Callable[[str], None]
) -> WorkloadResult:
    requests = mixed_requests(plan.mixed, full_size=plan.random is not RandomModel.TINY)
    return _contest(plan, model, painters, (f"{plan.mixed} mixed requests", plan.mixed, requests), report)


def _contest(
    plan: EnginePlan,
    model: Model,
    painters: Mapping[EngineSide, Painter],
    asked: tuple[str, int, Sequence[BenchRequest]],
    report: Callable[[str], None],
) -> WorkloadResult:
    """Let every side that can paint the requests take turns, after a warm-up with few steps."""
    name, batch, requests = asked
    there = tuple(side for side in painters if _can(side, requests))
    for side in there:
        painters[side]([_brief(request) for request in requests])
    count, wanted = FlopCounter(model), pictures(requests)
    work = Workload(name, batch, len(wanted), sum(count.picture(recipe) for recipe in wanted))
    turns = []
    for turn in range(plan.rounds):
        for side in order(there, turn):
            taken = measured(model.device, lambda: painters[side](requests))  # noqa: B023 - called at once
            turns.append(EngineTurn(side, turn, taken.seconds, taken.peak_bytes))
    contest = WorkloadResult(work, tuple(turns))
    figures = ", ".join(f"{side} {contest.seconds(side):.3f} s" for side in contest.sides)
    report(f"{name}, batch {batch}: {figures} a picture")
    return contest


def _can(side: EngineSide, requests: Sequence[BenchRequest]) -> bool:
    """Return whether a side can paint these: the stock pipeline batches only pictures of one shape."""
    if side is not EngineSide.AS_BATCH:
        return True
    alike = {(recipe.width, recipe.height, recipe.steps, recipe.guidance_scale) for recipe in pictures(requests)}
    return len(requests) > 1 and len(alike) == 1


def _brief(request: BenchRequest) -> BenchRequest:
    return replace(request, variants=tuple(replace(recipe, steps=2) for recipe in request.variants))


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


def _require_fit(plan: EnginePlan, model: Model) -> None:
    for shape in plan.kinds:
        if complaint := model.unsupported(shape.width, shape.height):
            raise Fatal(Reason.MISCONFIGURED, f"--shapes {shape}: {complaint[1]}")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of a piece of work, and peak memory in bytes while it ran (on a CPU, of the process)."""

    seconds: float
    peak_bytes: int


def measured(device: torch.device, work: Callable[[], None]) -> Measurement:
    """Do the work and measure it until the device has finished."""
    synchronize(device)
    _forget_peak(device)
    begun = time.perf_counter()
    work()
    synchronize(device)
    return Measurement(time.perf_counter() - begun, _peak_bytes(device))


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the device's peak: operations per second of a large matrix product, best of a few."""
    side = _SIDES.get(device.type, _SIDE_ELSEWHERE)
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return max(2 * side**3 / measured(device, lambda: _multiply(one, other)).seconds for _ in range(_TRIES))


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _multiply(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.mm(one, other)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text(_FORGET_PEAK)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class FlopCounter:
    """Counts the least that pictures of a model need: every prompt read once and unpadded, no padding for batches.

    So it is the same for all sides. Each kind of forward runs once and is cached.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._encoder = PromptEncoder(model.pipeline, 1)
        self.transformer = cache(self._transformer)
        self.text_encoder = cache(self._text_encoder)
        self.decoder = cache(self._decoder)

    def picture(self, recipe: Recipe) -> int:
        """Return the operations of one picture: its prompts, its steps, its decoding."""
        total = self.decoder(recipe.width, recipe.height)
        texts = [recipe.prompt, *([recipe.negative_prompt] if recipe.guidance_scale > 0 else [])]
        for text in texts:
            tokens = len(self._encoder.read(text).tokens)
            total += self.text_encoder(tokens)
            total += recipe.steps * self.transformer(recipe.width, recipe.height, tokens)
        return total

    def _transformer(self, width: int, height: int, tokens: int) -> int:
        network = self._model.transformer
        latents = self._latents(network.dtype, width, height).unsqueeze(1)
        embedding = torch.zeros(tokens, network.config.cap_feat_dim, dtype=network.dtype, device=self._model.device)
        moment = torch.zeros(1, dtype=network.dtype, device=self._model.device)
        return _counted(lambda: network([latents], moment, [embedding], return_dict=False))

    def _text_encoder(self, tokens: int) -> int:
        ids = torch.zeros(1, tokens, dtype=torch.long, device=self._model.device)
        mask = torch.ones_like(ids, dtype=torch.bool)
        return _counted(lambda: self._model.pipeline.text_encoder(input_ids=ids, attention_mask=mask))

    def _decoder(self, width: int, height: int) -> int:
        vae = self._model.vae
        vae.use_tiling = False
        latents = self._latents(vae.dtype, width, height).unsqueeze(0)
        return _counted(lambda: vae.decode(latents, return_dict=False))

    def _latents(self, dtype: torch.dtype, width: int, height: int) -> torch.Tensor:
        rows, columns = self._model.geometry.latents(width, height)
        return torch.zeros(self._model.channels, rows, columns, dtype=dtype, device=self._model.device)


@torch.no_grad()
def _counted(forward: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())
