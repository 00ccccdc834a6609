from __future__ import annotations

from pathlib import Path

import pytest

from consumer.engine.client import child_environment
from consumer.engine.devices import EngineDevice
from consumer.settings import EngineSettings

CPU = EngineDevice("cpu", "cpu")
NEW, OLD = "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"


@pytest.mark.parametrize(
    ("split", "ours", "expected"),
    [
        (None, {}, {NEW: "expandable_segments:True"}),
        (None, {NEW: "backend:native"}, {NEW: "backend:native"}),
        (None, {OLD: "backend:native"}, {OLD: "backend:native"}),
        (128, {}, {NEW: "max_split_size_mb:128"}),
        (128, {NEW: "expandable_segments:True"}, {NEW: "max_split_size_mb:128"}),
        (128, {OLD: "expandable_segments:True"}, {NEW: "max_split_size_mb:128"}),
        (128, {NEW: "a:b", OLD: "c:d"}, {NEW: "max_split_size_mb:128"}),
    ],
)
def test_the_allocator_is_configured_once(split: int | None, ours: dict[str, str], expected: dict[str, str]) -> None:
    """Our setting overrides the operator's variables, those the default; never a limit with expandable segments."""
    environment = child_environment(EngineSettings(max_split_size_mb=split), CPU, ours)
    assert {name: value for name, value in environment.items() if "ALLOC_CONF" in name} == expected


def test_compiled_code_is_kept_where_configured() -> None:
    """The folder is passed to torch and to Triton; without one an operator's variable stays."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    environment = child_environment(EngineSettings(compile_cache=Path("kept")), CPU, {name: "theirs"})
    assert (environment[name], environment["TRITON_CACHE_DIR"]) == ("kept", "kept/triton")
    assert child_environment(EngineSettings(), CPU, {name: "theirs"})[name] == "theirs"


def test_a_gpu_is_pinned_and_secrets_are_withheld() -> None:
    """The process sees its own GPU, no hub, and nothing of the bus and the store."""
    ours = {"LEADART_STORAGE__SECRET_ACCESS_KEY": "hush", "AWS_PROFILE": "hush", "PATH": "bin"}
    environment = child_environment(EngineSettings(), EngineDevice("cuda:1", "cuda", "1"), ours)
    assert "hush" not in environment.values()
    assert (environment["PATH"], environment["CUDA_VISIBLE_DEVICES"], environment["HF_HUB_OFFLINE"]) == (
        "bin",
        "1",
        "1",
    )
    assert "CUDA_VISIBLE_DEVICES" not in child_environment(EngineSettings(), CPU, ours)
