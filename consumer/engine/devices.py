"""Device discovery. `python -m consumer.engine.devices` prints how many GPUs the NVIDIA driver shows.

The driver is queried directly and in a short-lived process: torch is not loaded, the worker holds no GPU memory, and
CUDA_VISIBLE_DEVICES has the same effect as for torch, with numbers, GPU and MIG names.
"""

import asyncio
import ctypes
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from consumer.errors import Fatal
from schemas import Reason

PROBE = (sys.executable, "-P", "-m", "consumer.engine.devices")
VISIBLE = "CUDA_VISIBLE_DEVICES"

_PROBE_SECONDS = 60.0
_KILLED_SECONDS = 1.0
_NO_DEVICE = 100


@dataclass(frozen=True, slots=True)
class EngineDevice:
    """One device: its name in logs and metrics, and torch's name for it in its process.

    A GPU's process sees only that GPU (`visible` is its CUDA_VISIBLE_DEVICES), so it cannot use another by mistake.
    """

    name: str
    torch: str
    visible: str | None = None


async def find_devices(
    configured: str, environment: Mapping[str, str], probe: Sequence[str] = PROBE
) -> list[EngineDevice]:
    """Return the devices that LEADART_ENGINE__DEVICES names; `auto` is every visible GPU, else the CPU.

    Raises Fatal if `auto` cannot query the driver: falling back to the CPU would hide that.
    """
    if configured == "auto":
        names = [f"cuda:{number}" for number in range(await _gpus(probe))] or ["cpu"]
    else:
        names = configured.split(",")
    seen: Counter[str] = Counter()
    devices = []
    for name in names:
        seen[name] += 1
        devices.append(_device(name, name if seen[name] == 1 else f"{name}#{seen[name]}", environment))
    return devices


def _device(name: str, unique: str, environment: Mapping[str, str]) -> EngineDevice:
    kind, _, number = name.partition(":")
    if kind != "cuda":
        return EngineDevice(unique, name)
    index = int(number or 0)
    if VISIBLE not in environment:
        return EngineDevice(unique, "cuda", str(index))
    shown = environment[VISIBLE].split(",")
    if index >= len(shown):
        raise Fatal(Reason.MISCONFIGURED, f"LEADART_ENGINE__DEVICES names {name}, but {VISIBLE} shows {len(shown)}.")
    return EngineDevice(unique, "cuda", shown[index].strip())


async def _gpus(probe: Sequence[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *probe, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        raise _unknown(f"no answer within {_PROBE_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(_KILLED_SECONDS):
                    await process.wait()
    if process.returncode:
        raise _unknown(err.decode(errors="replace").strip())
    return int(out)


def _unknown(why: str) -> Fatal:
    remedy = "repair the driver, or list the devices in LEADART_ENGINE__DEVICES"
    return Fatal(Reason.MISCONFIGURED, f"The NVIDIA driver does not report its GPUs ({why}): {remedy}.")


def count_gpus(library: str = "libcuda.so.1") -> int:
    """Return how many GPUs the driver shows this process; 0 without a driver. Raises OSError if the driver fails."""
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return 0
    count = ctypes.c_int()
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code not in (0, _NO_DEVICE):
        raise OSError(f"CUDA driver error {code}")
    return count.value


if __name__ == "__main__":
    try:
        print(count_gpus())  # noqa: T201 - the result
    except OSError as error:
        sys.stderr.write(str(error))
        sys.stderr.flush()
        os._exit(1)
