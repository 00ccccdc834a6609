"""The core of the engine: recipes in, pixels out, one denoising step after the other on the engine's one thread.

Pictures do not wait for a batch to start or finish: before every step `step_scheduler` chooses the pictures that take
it. The others are parked with their latents and continue later where they stopped. A failed step changes no latents: a
step that did not fit is repeated in smaller parts, and a picture that cannot be painted fails alone.
"""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from consumer.engine import protocol
from consumer.engine.runtime.decoder import decode
from consumer.engine.runtime.failure import attempt, not_finite
from consumer.engine.runtime.focus import find_focus
from consumer.engine.runtime.guidance import velocities
from consumer.engine.runtime.host_copies import HostCopies
from consumer.engine.runtime.memory import Memory
from consumer.engine.runtime.placement import PipelinePart
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.engine.runtime.sample import Sample
from consumer.engine.runtime.side_queue import SideQueue
from consumer.engine.runtime.step_reports import StepReports
from consumer.engine.runtime.step_scheduler import StepLimits, StepScheduler
from consumer.settings import MemoryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from consumer.engine.runtime.failure import StepFailure
    from consumer.engine.runtime.model import Model
    from consumer.engine.runtime.prompts import Embeddings, Tokens
    from consumer.engine.runtime.step_scheduler import StepBatch
    from consumer.jobs import Focus
    from consumer.settings import EngineSettings


class Denoiser:
    """Paints the pictures it accepts and sends replies. Not thread-safe; `send` is called on the caller's thread."""

    def __init__(self, model: Model, settings: EngineSettings, send: Callable[[protocol.Reply], None]) -> None:
        self._model = model
        self._send = send
        together = model.device.type != "cpu"
        self._encoder = PromptEncoder(model.pipeline, settings.prompt_cache_mb * 2**20, together=together)
        self._side_queue = SideQueue(model.device)
        self._memory = Memory(model.placement)
        self._step_tokens = _step_tokens(model, settings)
        self._scheduler: StepScheduler[Sample] = StepScheduler(StepLimits(settings.batch_size, self._most_tokens))
        self._reports = StepReports(model.device, send)
        self._samples: dict[int, Sample] = {}
        self._decoding: deque[tuple[Sequence[Sample], HostCopies]] = deque()
        self._running: tuple[int, ...] = ()

    @property
    def busy(self) -> bool:
        """True while there is a picture to paint."""
        return bool(self._samples)

    def take(self, command: protocol.Command) -> None:
        """Accept a picture, or drop one at whatever step it is; dropping an unknown one does nothing."""
        if isinstance(command, protocol.Drop):
            self._samples.pop(command.number, None)
        elif unsupported := self._model.unsupported(command.recipe.width, command.recipe.height, command.recipe.size):
            self._send(protocol.Failed(command.number, *unsupported, transient=False, field="output"))
        elif failure := attempt(lambda: self._add(command)):
            self._send(failure.as_reply(command.number))

    @torch.no_grad()
    def work(self) -> None:
        """Do one unit of work: decode finished pictures if there are any, else one denoising step. Only while `busy`.

        On a GPU a decode is waited for once the next step is launched behind it.
        Failures of pictures are sent, not raised. Raises torch.AcceleratorError when the device is lost: no further
        call in this process can succeed.
        """
        waiting = [sample for sample in self._samples.values() if not sample.decoding]
        if any(sample.finished for sample in waiting):
            self._decode(self._decodable(waiting))
        elif waiting:
            self._step(waiting)
        else:
            self._deliver()

    def _add(self, command: protocol.Paint) -> None:
        recipe = command.recipe
        negative = self._encoder.read(recipe.negative_prompt) if recipe.guidance_scale > 0 else None
        prompt = self._encoder.read(recipe.prompt)
        self._samples[command.number] = Sample(command, prompt, negative, self._model.geometry)

    def _step(self, waiting: Sequence[Sample]) -> None:
        batch = self._scheduler.choose(waiting)
        self._report_running([*batch.pictures, *(sample for samples, _ in self._decoding for sample in samples)])
        if self._begin([sample for sample in batch.pictures if not sample.begun]):
            self._advance(batch)
        for sample in waiting:
            sample.passed_over = 0 if sample in batch.pictures else sample.passed_over + 1

    def _report_running(self, samples: Sequence[Sample]) -> None:
        numbers = tuple(sample.number for sample in samples)
        if numbers != self._running:
            self._running = numbers
            self._send(protocol.Running(numbers))

    def _begin(self, samples: Sequence[Sample]) -> bool:
        """Embed the prompts of new pictures together and draw their noise; return False if that failed."""
        embeddings: dict[Tokens, torch.Tensor] = {}
        failure = attempt(lambda: embeddings.update(self._embed(samples))) if samples else None
        if failure:
            self._recover(samples, failure, self._encoder.shrink)
            return False
        return all(self._draw(sample, embeddings) for sample in samples)

    def _embed(self, samples: Sequence[Sample]) -> Embeddings:
        prompts = [prompt for sample in samples for prompt in sample.prompts]
        if not self._encoder.cached(prompts):
            self._model.placement.activate(PipelinePart.TEXT_ENCODER)
        with self._beside():
            return self._encoder.embed(prompts, self._model.device)

    def _draw(self, sample: Sample, embeddings: Embeddings) -> bool:
        def begin() -> None:
            with self._beside():
                sample.begin(self._model, embeddings)
            self._side_queue.hand_over(sample.tensors)

        failure = attempt(begin)
        if failure:
            self._recover([sample], failure)
        return failure is None

    def _beside(self) -> AbstractContextManager[None]:
        """Return the side queue's context; with weights that move on and off the device all work is in one queue."""
        resident = self._model.placement.policy is MemoryPolicy.RESIDENT
        return self._side_queue.beside() if resident else nullcontext()

    def _advance(self, batch: StepBatch[Sample]) -> None:
        """Take the step. A failure leaves each picture either where it was or one valid step further."""
        taken: list[protocol.StepDone] = []
        calls = batch.calls(self._memory.max_tokens)

        def advance() -> None:
            self._model.activate_transformer(batch.pictures[0].command.recipe.adapters)
            flows = velocities(self._model.forward, calls)
            for sample in batch.pictures:
                sample.advance(flows[sample.number])
                taken.append(protocol.StepDone(sample.number, sample.done, sample.command.recipe.steps))

        failure = attempt(advance)
        self._deliver()
        self._reports.launched(taken, sum(call.tokens for call in calls) * self._model.token_seconds)
        if failure:
            largest = max(calls, key=lambda call: call.tokens)
            self._recover(
                batch.pictures,
                failure,
                lambda: self._memory.shrink_calls(largest.tokens, len(largest.sequences)),
            )
        else:
            self._memory.record_success([call.tokens for call in calls])

    def _most_tokens(self) -> int:
        return min(self._step_tokens, self._memory.max_tokens)

    def _decodable(self, waiting: Sequence[Sample]) -> list[Sample]:
        """Return a finished picture, and those of its size that can be decoded in the same call."""
        first, *others = (sample for sample in waiting if sample.finished)
        same = [other for other in others if other.size == first.size and not (first.alone or other.alone)]
        return [first, *same][: self._memory.max_decodes(*first.size)]

    def _decode(self, samples: Sequence[Sample]) -> None:
        size = samples[0].size
        launched: list[HostCopies] = []

        def launch() -> None:
            self._model.placement.activate(PipelinePart.VAE)
            latents = [sample.latents for sample in samples]
            tiled, whole = self._memory.tiled(*size), self._model.decode_pass
            decoded = decode(self._model.vae, latents, tiled=tiled, whole=whole)
            acted = [sample.acted for sample in samples if sample.acted is not None]
            launched.append(HostCopies([*decoded, *acted]))

        failure = attempt(launch)
        if failure:
            self._recover(samples, failure, lambda: self._memory.shrink_decodes(*size, len(samples)))
            return
        for sample in samples:
            sample.decoding = True
        self._decoding.append((samples, launched[0]))
        if launched[0].done:
            self._deliver()

    def _deliver(self) -> None:
        """Wait for the decodes that are launched and send their pictures."""
        while self._decoding:
            samples, copies = self._decoding.popleft()
            pictures, finite, *acted = copies.wait()
            self._reports.report_done()
            maps = iter(acted)
            for sample, pixels, good in zip(samples, pictures, finite, strict=True):
                focus = None if sample.acted is None else find_focus(next(maps))
                self._finish(sample, _painted(sample, pixels, focus) if good else not_finite(sample.number))

    def _recover(
        self, samples: Sequence[Sample], failure: StepFailure, shrink: Callable[[], bool] = lambda: False
    ) -> None:
        """After a failure, make the next step smaller, do without compiled parts, run alone, or fail the picture."""
        self._memory.release()
        if failure.out_of_memory and (shrink() or samples[0].retry_once() or self._offload()):
            return
        if not failure.out_of_memory and self._model.use_eager():  # they may be what failed
            return
        if len(samples) > 1:
            for sample in samples:
                sample.alone = True
            return
        self._reports.flush()
        self._finish(samples[0], failure.as_reply(samples[0].number))

    def _offload(self) -> bool:
        """Keep less of the model on the device from now on; return False if there is nothing less, or it failed."""
        done: list[bool] = []
        failure = attempt(lambda: done.append(self._model.offload()))
        return failure is None and done == [True]

    def _finish(self, sample: Sample, reply: protocol.Painted | protocol.Failed) -> None:
        """Send a picture's end, unless it was dropped meanwhile."""
        if self._samples.pop(sample.number, None):
            self._send(reply)


def _painted(sample: Sample, pixels: NDArray[np.uint8], focus: Focus | None) -> protocol.Painted:
    height, width, _ = pixels.shape
    return protocol.Painted(sample.number, width, height, pixels.tobytes(), sample.seconds, sample.prompt.cut, focus)


def _step_tokens(model: Model, settings: EngineSettings) -> int:
    """Return how many tokens a step of several pictures may have, to take at most as long as the settings say."""
    if not model.token_seconds:
        return settings.batch_tokens
    return min(settings.batch_tokens, int(settings.step_seconds / model.token_seconds))
