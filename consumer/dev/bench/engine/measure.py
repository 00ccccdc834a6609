"""A run of `leadart bench engine`: load the model, learn what the device can do, measure."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from consumer.dev.bench.engine.budget import Budget
from consumer.dev.bench.engine.contestants import Contestants
from consumer.dev.bench.engine.facts import environment
from consumer.dev.bench.engine.full import is_full_size
from consumer.dev.bench.engine.loading import load_bench_model, suited
from consumer.dev.bench.engine.painters import as_batch, by_denoiser, one_by_one
from consumer.dev.bench.engine.plan import EnginePlan, EngineSide
from consumer.dev.bench.engine.result import NOT_COMPILED, BenchDevice, EngineResult
from consumer.dev.bench.engine.run import EngineRun
from consumer.dev.bench.engine.timing import matrix_peak
from consumer.engine.runtime.background import compile_now
from consumer.engine.runtime.compiling import wants_compiling
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.warmup import measure_token_seconds


def measure_engine(
    plan: EnginePlan,
    machine: Mapping[str, str],
    report: Callable[[str], None],
    publish: Callable[[EngineResult], None] = lambda _result: None,
    budget: Budget | None = None,
) -> EngineResult:
    """Run the plan as far as the budget goes, reporting each part and publishing the result after each measurement.

    Raises `Fatal` for a model, a device or a shape that cannot be used.
    """
    model = load_bench_model(plan)
    plan = suited(plan, model)
    where = replace(_describe(model), compiled=_compile_as_served(plan, model))
    report(f"{where.kind}, {where.dtype}, {where.threads} threads: peak {where.matrix_peak / 1e12:.3g} TFLOP/s")
    report(f"kernels: {where.kernels}; compiled parts: {where.compiled}")
    model.token_seconds = measure_token_seconds(model)
    painters = {
        EngineSide.ONE_BY_ONE: one_by_one(model.pipeline),
        EngineSide.AS_BATCH: as_batch(model.pipeline),
        EngineSide.DENOISER: by_denoiser(model, plan.settings),
    }
    contestants = Contestants(model, painters, where.matrix_peak)
    cache = str(plan.settings.compile_cache) if plan.settings.compile_cache else None
    here = {**machine, **environment(model.device)}
    known = EngineResult(here, where, plan.rounds, model.token_seconds, compile_cache=cache)
    return EngineRun(plan, model, contestants, known, publish).go(budget or Budget(None), report)


def _compile_as_served(plan: EnginePlan, model: Model) -> str:
    """Compile beforehand what the engine compiles in the background; return how that went, in words for the table."""
    if plan.compiled is False or not wants_compiling(plan.settings.compile, model.device.type):
        return NOT_COMPILED
    went = compile_now(model)
    return f"{NOT_COMPILED}: {went.failure}" if went.failure else f"{went.parts}, in {went.seconds:g} s"


def _describe(model: Model) -> BenchDevice:
    dtype = model.transformer.dtype
    return BenchDevice(
        model.device.type,
        str(dtype).removeprefix("torch."),
        torch.get_num_threads(),
        matrix_peak(model.device, dtype),
        is_full_size(model.pipeline),
        model.kernels,
    )
