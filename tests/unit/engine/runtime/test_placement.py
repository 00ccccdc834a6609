from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import accelerate
import pytest
import torch

from consumer.engine.runtime import placement
from consumer.engine.runtime.placement import HEADROOM_BYTES, PipelinePart, Placement, choose_policy, first_place
from consumer.settings import MemoryPolicy

GIB = 2**30
FULL = {"text_encoder": 8 * GIB, "transformer": 12 * GIB, "vae": GIB // 4}


class FakePipeline:
    """Stands in for the pipeline and records the calls."""

    def __init__(self) -> None:
        hook = SimpleNamespace(pre_forward=lambda _module: self.asked.append("pre_forward"))
        weights = SimpleNamespace(parameters=lambda: iter([torch.empty(4)]), _hf_hook=hook)
        self.text_encoder = self.transformer = self.vae = weights
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Record any call."""
        return lambda *_arguments, **_options: self.asked.append(name)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A GPU with room for everything."""
    monkeypatch.setattr(placement, "free_bytes", lambda _device: 1000 * GIB)
    return torch.device("cuda")


@pytest.mark.parametrize(
    ("free", "policy"),
    [
        (141 * GIB, MemoryPolicy.RESIDENT),
        (24 * GIB, MemoryPolicy.RESIDENT),
        (sum(FULL.values()) + HEADROOM_BYTES - 1, MemoryPolicy.OFFLOAD),
        (16 * GIB, MemoryPolicy.OFFLOAD),
        (12 * GIB, MemoryPolicy.GROUP_OFFLOAD),
        (0, MemoryPolicy.GROUP_OFFLOAD),
    ],
)
def test_auto_takes_the_fastest_that_fits(free: int, policy: MemoryPolicy) -> None:
    """The whole model if it fits beside its working memory, else the largest part, else a group of layers at a time."""
    assert choose_policy(MemoryPolicy.AUTO, FULL, free) is policy


@pytest.mark.parametrize("configured", [policy for policy in MemoryPolicy if policy is not MemoryPolicy.AUTO])
def test_a_configured_policy_is_used(configured: MemoryPolicy) -> None:
    """A configured policy is not overridden, except on a CPU, which has nowhere to offload to."""
    assert choose_policy(configured, FULL, 0) is configured
    assert choose_policy(configured, FULL, None) is MemoryPolicy.RESIDENT


def test_weights_are_loaded_to_where_they_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Straight to a device that holds all of them, else to main memory, from where their hooks move them."""
    gpu = torch.device("cuda")
    for free, where in ((24 * GIB, "cuda"), (16 * GIB, "cpu")):
        monkeypatch.setattr(placement, "free_bytes", lambda _device, free=free: free)
        assert first_place(MemoryPolicy.AUTO, FULL, gpu).type == where
    assert first_place(MemoryPolicy.RESIDENT, FULL, gpu).type == "cuda"
    assert first_place(MemoryPolicy.GROUP_OFFLOAD, FULL, gpu).type == "cpu"


def test_what_is_loaded_already_needs_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's own weights on the device do not count against it."""
    there = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(nbytes=7 * GIB, device=torch.device("cuda"))]))
    pipeline = FakePipeline()
    pipeline.text_encoder = pipeline.transformer = pipeline.vae = there
    monkeypatch.setattr(placement, "free_bytes", lambda _device: HEADROOM_BYTES)
    assert Placement(pipeline, torch.device("cuda"), MemoryPolicy.AUTO).policy is MemoryPolicy.RESIDENT


def test_offloading_goes_from_all_to_parts_to_layers(gpu: torch.device) -> None:
    """Each time less stays on the device, the earlier hooks are removed first, and finally there is nothing less."""
    pipeline = FakePipeline()
    place = Placement(pipeline, gpu, MemoryPolicy.AUTO)
    assert [place.offload(), place.policy, place.offload(), place.policy, place.offload()] == [
        True,
        MemoryPolicy.OFFLOAD,
        True,
        MemoryPolicy.GROUP_OFFLOAD,
        False,
    ]
    assert pipeline.asked == [
        *("to", "remove_all_hooks", "enable_model_cpu_offload"),
        *("remove_all_hooks", "to", "enable_group_offload"),
    ]


def test_a_part_makes_room_for_the_next(gpu: torch.device) -> None:
    """With `offload` the previous part leaves the device when another one is activated, and only then.

    The transformer is moved at once, as our own forward pass runs none of its hooks.
    """
    pipeline = FakePipeline()
    place = Placement(pipeline, gpu, MemoryPolicy.OFFLOAD)
    for part in (
        PipelinePart.TEXT_ENCODER,
        PipelinePart.TRANSFORMER,
        PipelinePart.TRANSFORMER,
        PipelinePart.VAE,
        PipelinePart.TRANSFORMER,
    ):
        place.activate(part)
    assert pipeline.asked == [
        *("enable_model_cpu_offload", "maybe_free_model_hooks", "pre_forward", "pre_forward"),
        *("maybe_free_model_hooks", "maybe_free_model_hooks", "pre_forward"),
    ]


def test_the_hook_of_accelerate_moves_the_transformer(gpu: torch.device) -> None:
    """What activating the transformer calls is what puts its weights on the device."""
    pipeline = FakePipeline()
    layer = torch.nn.Linear(2, 2)
    accelerate.cpu_offload_with_hook(layer, torch.device("meta"))
    pipeline.__dict__["transformer"] = layer
    Placement(pipeline, gpu, MemoryPolicy.OFFLOAD).activate(PipelinePart.TRANSFORMER)
    assert layer.weight.device.type == "meta"


def test_a_part_moved_halfway_is_taken_off_the_device(gpu: torch.device) -> None:
    """If memory runs out while a part moves, it would stay in two places for good, as it is already the active one."""
    pipeline = FakePipeline()
    place = Placement(pipeline, gpu, MemoryPolicy.OFFLOAD)
    place.unload()
    assert pipeline.asked == ["enable_model_cpu_offload", "maybe_free_model_hooks"]
    pipeline.asked.clear()
    Placement(pipeline, gpu, MemoryPolicy.RESIDENT).unload()
    assert pipeline.asked == ["to"]


def test_a_cpu_has_nothing_to_offload() -> None:
    """On a CPU the model stays where it is, whatever the policy."""
    pipeline = FakePipeline()
    place = Placement(pipeline, torch.device("cpu"), MemoryPolicy.GROUP_OFFLOAD)
    assert (place.policy, place.offload(), pipeline.asked) == (MemoryPolicy.RESIDENT, False, ["to"])
