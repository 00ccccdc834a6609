"""How soon an editor's picture begins while others are being painted: at the denoiser, and at the stock pipeline."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from consumer.dev.bench.engine.corpus import BenchRequest, pictures
from consumer.dev.bench.engine.painters import as_batch, one_by_one
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import JoinResult
from consumer.dev.bench.engine.timing import synchronize
from consumer.engine.protocol import Paint, Painted, Reply, StepDone
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from schemas import Reason

OTHERS = 8
"""Pictures that are being painted when the editor's comes."""

Mark = tuple[int, float, Reply]
"""A reply, when it came, and during which unit of the denoiser's work."""


def join_denoiser(model: Model, settings: EngineSettings, requests: Sequence[BenchRequest]) -> JoinResult:
    """Have the last of the requests come from an editor while the denoiser paints the others for a backfill.

    It comes halfway through a step. As in the engine's process, it is taken when `work` returns. Raises Fatal if it is
    not painted.
    """
    replies: list[Mark] = []
    unit = 0
    denoiser = Denoiser(model, settings, lambda reply: replies.append((unit, time.perf_counter(), reply)))
    *others, editors = pictures(requests)
    for number, recipe in enumerate(others):
        denoiser.take(Paint(number, recipe, Lane.BACKFILL))
    came = 0.0
    while denoiser.busy and not _has_painted(replies, len(others)):
        begun = time.perf_counter()
        denoiser.work()
        if unit == editors.steps // 2:
            came = (begun + time.perf_counter()) / 2
            denoiser.take(Paint(len(others), editors, Lane.INTERACTIVE))
        unit += 1
    return _result(replies, len(others), came)


def join_stock(pipeline: Any, device: torch.device, requests: Sequence[BenchRequest]) -> JoinResult:
    """Paint all but the last of the requests as one batch and then the last, which came halfway through a step.

    The stock pipeline cannot let a picture in, so when it came changes nothing: it is worked out afterwards.
    """
    ends: list[float] = [time.perf_counter()]

    def note(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        synchronize(device)
        ends.append(time.perf_counter())
        return values

    as_batch(pipeline, callback_on_step_end=note)(requests[:-1])
    steps = list(pairwise(ends))
    came = sum(steps[len(steps) // 2]) / 2
    others = sum(end > came for _, end in steps)
    one_by_one(pipeline, callback_on_step_end=note)(requests[-1:])
    return JoinResult(EngineSide.AS_BATCH, others, ends[len(steps) + 1] - came, time.perf_counter() - came)


def _has_painted(replies: Sequence[Mark], number: int) -> bool:
    return any(isinstance(reply, Painted) and reply.number == number for _, _, reply in replies)


def _result(replies: Sequence[Mark], number: int, came: float) -> JoinResult:
    """Return the denoiser's result for the editor's picture, which has this number."""
    steps = [(unit, at, reply.number) for unit, at, reply in replies if isinstance(reply, StepDone)]
    first = next((at for _, at, each in steps if each == number), None)
    end = next((at for _, at, reply in replies if isinstance(reply, Painted) and reply.number == number), None)
    if first is None or end is None:
        raise Fatal(Reason.NOT_PAINTED, "The denoiser did not paint the editor's picture of the benchmark.")
    others = {unit for unit, at, each in steps if each != number and came < at < first}
    return JoinResult(EngineSide.DENOISER, len(others), first - came, end - came)
