from __future__ import annotations

import sys

import pytest

from consumer.engine.devices import EngineDevice, count_gpus, find_devices
from consumer.errors import Fatal


def answers(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.mark.parametrize(
    ("configured", "environment", "devices"),
    [
        ("cpu", {}, [EngineDevice("cpu", "cpu")]),
        ("cpu,cpu", {}, [EngineDevice("cpu", "cpu"), EngineDevice("cpu#2", "cpu")]),
        ("mps", {}, [EngineDevice("mps", "mps")]),
        ("cuda", {}, [EngineDevice("cuda", "cuda", "0")]),
        ("cuda:1,cuda:0", {}, [EngineDevice("cuda:1", "cuda", "1"), EngineDevice("cuda:0", "cuda", "0")]),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "2, 5"}, [EngineDevice("cuda:1", "cuda", "5")]),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-8e2f"}, [EngineDevice("cuda", "cuda", "GPU-8e2f")]),
    ],
)
async def test_each_device_gets_a_process_that_sees_no_other(
    configured: str, environment: dict[str, str], devices: list[EngineDevice]
) -> None:
    """A GPU's process sees only that GPU, counted among those that CUDA_VISIBLE_DEVICES shows."""
    assert await find_devices(configured, environment) == devices


@pytest.mark.parametrize(("count", "names"), [(0, ["cpu"]), (1, ["cuda:0"]), (3, ["cuda:0", "cuda:1", "cuda:2"])])
async def test_auto_is_every_gpu_else_the_cpu(count: int, names: list[str]) -> None:
    """`auto` uses what the driver shows."""
    devices = await find_devices("auto", {}, answers(f"print({count})"))
    assert [device.name for device in devices] == names


async def test_a_failing_driver_does_not_mean_cpu() -> None:
    """If the driver cannot be queried, the worker ends with an error instead of painting on the CPU."""
    with pytest.raises(Fatal, match=r"CUDA driver error 803.*LEADART_ENGINE__DEVICES"):
        await find_devices("auto", {}, answers("import sys; sys.exit('CUDA driver error 803')"))


async def test_a_gpu_that_is_not_shown_is_fatal() -> None:
    """A number beyond the operator's CUDA_VISIBLE_DEVICES is an error before a process is started."""
    with pytest.raises(Fatal, match="names cuda:2, but CUDA_VISIBLE_DEVICES shows 2"):
        await find_devices("cuda:2", {"CUDA_VISIBLE_DEVICES": "0,1"})


def test_without_a_driver_there_are_no_gpus() -> None:
    """A machine without the library has none."""
    assert count_gpus("libno-such-driver.so.1") == 0
