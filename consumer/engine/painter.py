"""From orders to pixels, in the engine's process, on its one thread.

The painter is handed pictures, not batches: what is painted together, and when, is its own business.
"""

from __future__ import annotations

import gc
import time
import traceback
from typing import TYPE_CHECKING, Any

import torch

from consumer.engine.batching import next_batch
from consumer.engine.protocol import Drop, Failed, Paint, Painted, Running, Step
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.engine.protocol import Order, Reply


class Painter:
    """Paints what it is handed, more urgent lanes first, and says how it goes.

    Not thread-safe: the pipeline keeps state between steps. `say` is called on the caller's thread.
    """

    def __init__(self, pipeline: Any, batch_size: int, say: Callable[[Reply], None]) -> None:
        self._pipeline = pipeline
        self._batch_size = batch_size
        self._say = say
        self._waiting: dict[int, Paint] = {}

    @property
    def busy(self) -> bool:
        """True while a picture waits."""
        return bool(self._waiting)

    def take(self, order: Order) -> None:
        """Accept a picture to paint, or drop one that has not begun; dropping an unknown one does nothing."""
        if isinstance(order, Drop):
            self._waiting.pop(order.number, None)
        else:
            self._waiting[order.number] = order

    def work(self) -> None:
        """Do the next stretch of work: one batch from noise to pixels. Call only while `busy`.

        Ordinary failures are said, not raised. Raises torch.AcceleratorError when the device's context is lost: no
        further call in this process can succeed.
        """
        batch = next_batch(self._waiting.values(), self._batch_size)
        for order in batch:
            del self._waiting[order.number]
        self._paint(batch)

    def _paint(self, batch: Sequence[Paint]) -> None:
        self._say(Running(tuple(order.number for order in batch)))
        started = time.monotonic()
        failure = None
        try:
            images = self._render(batch)
        except torch.AcceleratorError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the pipeline raises concerns these pictures only
            traceback.print_exc()
            failure = type(error).__name__
        # Out here the exception's frames no longer hold the batch's tensors.
        if failure is None:
            self._deliver(batch, images, time.monotonic() - started)
            return
        self._recover()
        if len(batch) > 1:
            for order in batch:
                self._paint([order])
        else:
            message = f"Painting failed with {failure}; the worker's log has the details."
            self._say(Failed(batch[0].number, Reason.ENGINE_FAILED, message, transient=True))

    def _render(self, batch: Sequence[Paint]) -> torch.Tensor:
        """Return the images as floats in 0..1, batch x 3 x height x width, on the CPU."""
        recipes = [order.recipe for order in batch]
        shape = recipes[0]
        # Noise from CPU generators is the same on any device and in any company. The pipeline writes into the prompt
        # lists that it is given: these are ours.
        images = self._pipeline(
            prompt=[recipe.prompt for recipe in recipes],
            negative_prompt=[recipe.negative_prompt for recipe in recipes],
            width=shape.width,
            height=shape.height,
            num_inference_steps=shape.steps,
            guidance_scale=shape.guidance_scale,
            generator=[torch.Generator("cpu").manual_seed(recipe.seed) for recipe in recipes],
            callback_on_step_end=self._step_of(batch),
            output_type="pt",
        ).images
        return torch.as_tensor(images).float().cpu()

    def _step_of(self, batch: Sequence[Paint]) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
        def report(pipeline: Any, index: int, _timestep: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
            if pipeline.device.type == "cuda":
                # Kernels run behind the calls: without this a step is reported before it is done, and a hang after.
                torch.cuda.synchronize(pipeline.device)
            for order in batch:
                self._say(Step(order.number, index + 1, order.recipe.steps))
            return {}

        return report

    def _deliver(self, batch: Sequence[Paint], images: torch.Tensor, seconds: float) -> None:
        for order, image in zip(batch, images, strict=True):
            if not torch.isfinite(image).all():
                message = "The picture came out as values that are no numbers; another seed or more steps may not."
                self._say(Failed(order.number, Reason.NOT_PAINTED, message, transient=False))
                continue
            pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
            height, width, _ = pixels.shape
            self._say(Painted(order.number, width, height, pixels.tobytes(), seconds))

    def _recover(self) -> None:
        """Give memory back after a failure; raises torch.AcceleratorError if the device is lost."""
        gc.collect()
        if self._pipeline.device.type == "cuda":
            torch.cuda.synchronize(self._pipeline.device)
            torch.cuda.empty_cache()
