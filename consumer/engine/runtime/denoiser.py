"""The heart of the engine: pictures in, pixels out, one denoising step after the other on the engine's one thread.

Pictures do not wait for a batch to begin or to end. Before every step it is chosen anew who takes it
(`step_scheduler`); whoever is left out is parked with its latents and goes on later where it stopped. What
goes wrong in a step changes no latents: a step that did not fit is taken in smaller parts, a picture that fails fails
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from consumer.engine.protocol import Drop, Failed, Painted, Running, StepDone
from consumer.engine.runtime.decoder import decode
from consumer.engine.runtime.failure import attempt
from consumer.engine.runtime.guidance import velocities
from consumer.engine.runtime.memory import Memory
from consumer.engine.runtime.placement import PipelinePart
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.engine.runtime.sample import Sample
from consumer.engine.runtime.step_reports import StepReports
from consumer.engine.runtime.step_scheduler import StepLimits, StepScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from consumer.engine.protocol import Command, Paint, Reply
    from consumer.engine.runtime import step_scheduler
    from consumer.engine.runtime.failure import StepFailure
    from consumer.engine.runtime.model import Model
    from consumer.settings import EngineSettings


class Denoiser:
    """Paints what it is handed and says how it goes. Not thread-safe; `say` is called on the caller's thread."""

    def __init__(self, model: Model, settings: EngineSettings, say: Callable[[Reply], None]) -> None:
        self._model = model
        self._say = say
        self._encoder = PromptEncoder(model.pipeline, settings.prompt_cache_mb * 2**20)
        self._memory = Memory(model.placement)
        limits = StepLimits(settings.batch_size, settings.batch_tokens, model.call_tokens, self._memory.sequences)
        self._chooser: StepScheduler[Sample] = StepScheduler(limits)
        self._reports = StepReports(model.device, say)
        self._drafts: dict[int, Sample] = {}
        self._running: tuple[int, ...] = ()

    @property
    def busy(self) -> bool:
        """True while a picture is in hand."""
        return bool(self._drafts)

    def take(self, order: Command) -> None:
        """Accept a picture, or drop one at whatever step it is; dropping an unknown one does nothing."""
        if isinstance(order, Drop):
            self._drafts.pop(order.number, None)
        elif complaint := self._model.unfit(order.recipe.width, order.recipe.height):
            self._say(Failed(order.number, *complaint, transient=False, field="output"))
        elif trouble := attempt(lambda: self._read(order)):
            self._say(trouble.failure(order.number))

    @torch.no_grad()
    def work(self) -> None:
        """Do the next stretch: decode what has all its steps, else take one denoising step. Call only while `busy`.

        Failures of pictures are said, not raised. Raises torch.AcceleratorError when the device is lost: no further
        call in this process can succeed.
        """
        if any(draft.finished for draft in self._drafts.values()):
            self._deliver(self._finished())
        else:
            self._step()

    def _read(self, order: Paint) -> None:
        recipe = order.recipe
        negative = self._encoder.read(recipe.negative_prompt) if recipe.guidance_scale > 0 else None
        prompt = self._encoder.read(recipe.prompt)
        self._drafts[order.number] = Sample(order, prompt, negative, self._model.canvas)

    def _step(self) -> None:
        step = self._chooser.choose(self._drafts.values())
        self._announce(step.pictures)
        if all(self._begun(draft) for draft in step.pictures):
            self._advance(step)
        for draft in self._drafts.values():
            draft.passed_over = 0 if draft in step.pictures else draft.passed_over + 1

    def _announce(self, drafts: Sequence[Sample]) -> None:
        numbers = tuple(draft.number for draft in drafts)
        if numbers != self._running:
            self._running = numbers
            self._say(Running(numbers))

    def _begun(self, draft: Sample) -> bool:
        """See to the picture's noise and embeddings; False when that failed."""

        def begin() -> None:
            if not all(map(self._encoder.remembers, draft.prompts)):
                self._model.placement.turn_to(PipelinePart.TEXT_ENCODER)
            draft.begin(self._model, self._encoder)

        trouble = None if draft.begun else attempt(begin)
        if trouble:
            self._mend([draft], trouble)
        return trouble is None

    def _advance(self, step: step_scheduler.StepBatch[Sample]) -> None:
        """Take the step. What fails leaves each picture where it was, or one step further and sound."""
        taken: list[StepDone] = []

        def advance() -> None:
            self._model.turn_to_transformer(step.pictures[0].order.recipe.adapters)
            for draft, flow in zip(step.pictures, velocities(self._model.transformer, step), strict=True):
                draft.advance(flow)
                taken.append(StepDone(draft.number, draft.done, draft.order.recipe.steps))

        trouble = attempt(advance)
        self._reports.launched(taken)
        if trouble:
            self._mend(step.pictures, trouble, lambda: self._memory.relieve_call(step.calls))
        else:
            self._memory.fitted(step.calls)

    def _finished(self) -> list[Sample]:
        """Return a picture that has all its steps, and those of its size that may be decoded with it."""
        first, *others = (draft for draft in self._drafts.values() if draft.finished)
        alike = [other for other in others if other.size == first.size and not (first.alone or other.alone)]
        return [first, *alike][: self._memory.decodes(*first.size)]

    def _deliver(self, drafts: Sequence[Sample]) -> None:
        size = drafts[0].size
        pictures: list[NDArray[np.uint8]] = []

        def develop() -> None:
            self._model.placement.turn_to(PipelinePart.VAE)
            latents = [draft.latents for draft in drafts]
            pictures.extend(decode(self._model.vae, latents, tiled=self._memory.tiles(*size)))

        trouble = attempt(develop)
        if trouble:
            self._mend(drafts, trouble, lambda: self._memory.relieve_decode(*size, len(drafts)))
            return
        self._reports.flush()
        for draft, pixels in zip(drafts, pictures, strict=True):
            height, width, _ = pixels.shape
            painted = Painted(draft.number, width, height, pixels.tobytes(), draft.seconds, draft.prompt.cut)
            self._end(draft, painted)

    def _mend(
        self, drafts: Sequence[Sample], trouble: StepFailure, relieve: Callable[[], bool] = lambda: False
    ) -> None:
        """See to it that the next stretch goes otherwise: with less memory, one by one, or without the picture."""
        self._memory.free()
        if trouble.out_of_memory and (relieve() or drafts[0].spared() or self._offloaded()):
            return
        if len(drafts) > 1:
            for draft in drafts:
                draft.alone = True
            return
        self._reports.flush()
        self._end(drafts[0], trouble.failure(drafts[0].number))

    def _offloaded(self) -> bool:
        """Keep less of the model on the device from now on; False when there is nothing less, or that failed."""
        done: list[bool] = []
        trouble = attempt(lambda: done.append(self._model.placement.offload()))
        return trouble is None and done == [True]

    def _end(self, draft: Sample, reply: Painted | Failed) -> None:
        del self._drafts[draft.number]
        self._say(reply)
