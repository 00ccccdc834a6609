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
from consumer.dev.bench.engine.timing import DeviceClock, synchronize
from consumer.engine.protocol import Paint, Painted, Reply, Running
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

    It comes halfway through a unit of work. As in the engine's process, it is taken when `work` returns. What counts is
    when the device ends steps, not when they are reported. Raises Fatal if it is not painted.
    """
    replies: list[Mark] = []
    unit = 0
    denoiser = Denoiser(model, settings, lambda reply: replies.append((unit, time.perf_counter(), reply)))
    *others, editors = pictures(requests)
    for number, recipe in enumerate(others):
        denoiser.take(Paint(number, recipe, Lane.BACKFILL))
    came, clock = 0.0, DeviceClock(model.device)
    while denoiser.busy and not _has_painted(replies, len(others)):
        begun = time.perf_counter()
        denoiser.work()
        clock.mark()
        if unit == editors.steps // 2:
            came = (begun + time.perf_counter()) / 2
            denoiser.take(Paint(len(others), editors, Lane.INTERACTIVE))
        unit += 1
    return joined(replies, clock.times(), len(others), came)


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


def joined(replies: Sequence[Mark], ends: Sequence[float], number: int, came: float) -> JoinResult:
    """Return the denoiser's result for the editor's picture, which has this number.

    `ends` says of each unit of work when the device had done it. Until the picture begins, each is a step of others.
    """
    began = next((unit for unit, _, reply in replies if isinstance(reply, Running) and number in reply.numbers), None)
    end = next((at for _, at, reply in replies if isinstance(reply, Painted) and reply.number == number), None)
    if began is None or end is None:
        raise Fatal(Reason.NOT_PAINTED, "The denoiser did not paint the editor's picture of the benchmark.")
    return JoinResult(EngineSide.DENOISER, sum(at > came for at in ends[:began]), ends[began] - came, end - came)
