from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from consumer.engine.model import load_pipeline
from consumer.engine.painter import Painter
from consumer.engine.protocol import Drop, Failed, Paint, Painted, Running, Step
from consumer.jobs import Lane
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumer.engine.protocol import Reply
    from consumer.jobs import Recipe


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> Any:
    return load_pipeline(tiny_model, "cpu")


class FakePipeline:
    """Stands where the pipeline stands and does what the test says; its pictures are plain grey."""

    device = torch.device("cpu")

    def __init__(self, deed: Callable[[list[str]], None] = lambda _: None) -> None:
        self.deed = deed
        self.calls: list[list[str]] = []

    def __call__(self, *, prompt: list[str], height: int, width: int, **_: Any) -> Any:
        """Note the call, do the deed, return grey."""
        self.calls.append(list(prompt))
        self.deed(prompt)
        return SimpleNamespace(images=torch.full((len(prompt), 3, height, width), 0.5))


def paint_all(pipeline: Any, recipes: list[Recipe], batch_size: int = 4) -> list[Reply]:
    """Paint the recipes, numbered from 0, and return all that was said."""
    said: list[Reply] = []
    painter = Painter(pipeline, batch_size, said.append)
    for number, recipe in enumerate(recipes):
        painter.take(Paint(number, recipe, Lane.LIVE))
    while painter.busy:
        painter.work()
    return said


def pixels(said: list[Reply]) -> dict[int, Any]:
    """Return the pictures by number, as arrays."""
    return {
        reply.number: np.frombuffer(reply.rgb, np.uint8).reshape(reply.height, reply.width, 3)
        for reply in said
        if isinstance(reply, Painted)
    }


def stock(pipeline: Any, recipe: Recipe) -> Any:
    """Paint the recipe with the library's pipeline and nothing of ours."""
    image = pipeline(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        width=recipe.width,
        height=recipe.height,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
    ).images[0]
    return np.asarray(image)


def test_pictures_equal_the_stock_pipelines_in_any_company(pipeline: Any, recipe_of: Callable[..., Recipe]) -> None:
    """Within one level of 255 each picture is what the library paints alone, with mixed prompts, sizes and seeds."""
    recipes = [
        recipe_of(),
        recipe_of(prompt="港口上空的暴风雨，渡轮停航。", negative_prompt="", seed=8),
        recipe_of(width=96, height=64, seed=9),
        recipe_of(prompt="a quiet library " * 20, negative_prompt="blurry, text", seed=2**63 - 1),
        recipe_of(guidance_scale=0.0),
        recipe_of(guidance_scale=3.5, steps=3),
    ]
    painted = pixels(paint_all(pipeline, recipes))
    assert sorted(painted) == list(range(len(recipes)))
    for number, recipe in enumerate(recipes):
        expected = stock(pipeline, recipe)
        assert painted[number].shape == expected.shape
        assert np.abs(painted[number].astype(int) - expected.astype(int)).max() <= 1


def test_prompt_negative_and_seed_all_show(pipeline: Any, recipe_of: Callable[..., Recipe]) -> None:
    """Random weights or not: no picture is plain, and each input changes it by far more than rounding does."""
    variants = [recipe_of(), recipe_of(prompt="a library"), recipe_of(negative_prompt="anime"), recipe_of(seed=8)]
    painted = pixels(paint_all(pipeline, variants))
    assert all(picture.std() > 20 for picture in painted.values())
    for other in (1, 2, 3):
        assert np.abs(painted[0].astype(int) - painted[other].astype(int)).max() > 8


def test_steps_are_reported_for_each_picture(pipeline: Any, recipe_of: Callable[..., Recipe]) -> None:
    """The pictures of a batch are announced, then stepped together, then delivered."""
    said = paint_all(pipeline, [recipe_of(steps=3), recipe_of(steps=3, seed=8)])
    assert said[0] == Running((0, 1))
    assert said[1:7] == [Step(number, done, 3) for done in (1, 2, 3) for number in (0, 1)]
    assert [type(reply) for reply in said[7:]] == [Painted, Painted]


def test_a_dropped_picture_is_not_painted(recipe_of: Callable[..., Recipe]) -> None:
    """Dropping before the picture begins costs nothing; dropping what is unknown does nothing."""
    fake = FakePipeline()
    said: list[Reply] = []
    painter = Painter(fake, 4, said.append)
    painter.take(Paint(1, recipe_of(prompt="unwanted"), Lane.LIVE))
    painter.take(Drop(1))
    painter.take(Drop(99))
    assert not painter.busy
    assert not said


def test_a_failing_batch_is_painted_one_by_one(recipe_of: Callable[..., Recipe]) -> None:
    """Out of memory together is no failure: each picture is tried by itself and answers for itself."""

    def too_much(prompts: list[str]) -> None:
        if len(prompts) > 1:
            raise torch.OutOfMemoryError

    fake = FakePipeline(too_much)
    said = paint_all(fake, [recipe_of(prompt=prompt) for prompt in "abc"])
    assert fake.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert sorted(pixels(said)) == [0, 1, 2]
    assert [reply for reply in said if isinstance(reply, Running)] == [
        Running((0, 1, 2)),
        Running((0,)),
        Running((1,)),
        Running((2,)),
    ]


def test_a_failing_picture_fails_alone(recipe_of: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]) -> None:
    """One bad picture fails, worth another try; its company is painted; the log has the cause, the message no text."""

    def choke(prompts: list[str]) -> None:
        if "bad" in prompts:
            raise ValueError("cannot digest: bad")

    said = paint_all(FakePipeline(choke), [recipe_of(prompt="good"), recipe_of(prompt="bad")])
    assert sorted(pixels(said)) == [0]
    failures = [reply for reply in said if isinstance(reply, Failed)]
    assert [(failure.number, failure.reason, failure.transient) for failure in failures] == [
        (1, Reason.ENGINE_FAILED, True)
    ]
    assert "ValueError" in failures[0].message
    assert "bad" not in failures[0].message
    assert "cannot digest" in capsys.readouterr().err


def test_values_that_are_no_numbers_are_not_delivered(pipeline: Any, recipe_of: Callable[..., Recipe]) -> None:
    """A picture of NaN is refused for good, and the sound one beside it is delivered."""

    class Half:
        device = pipeline.device

        def __call__(self, **arguments: Any) -> Any:
            images = pipeline(**arguments).images
            images[1, 0, 5, 5] = float("nan")
            return SimpleNamespace(images=images)

    said = paint_all(Half(), [recipe_of(), recipe_of(seed=8)])
    assert sorted(pixels(said)) == [0]
    failures = [(reply.number, reply.reason, reply.transient) for reply in said if isinstance(reply, Failed)]
    assert failures == [(1, Reason.NOT_PAINTED, False)]


def test_a_lost_device_is_not_survived(recipe_of: Callable[..., Recipe]) -> None:
    """After a sticky device error nothing more is tried in this process: the error comes through."""

    def lose(_: list[str]) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    fake = FakePipeline(lose)
    with pytest.raises(torch.AcceleratorError):
        paint_all(fake, [recipe_of(), recipe_of()])
    assert len(fake.calls) == 1
