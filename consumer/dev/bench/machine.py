"""The machine a benchmark ran on."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from consumer import __version__

_CPUINFO = Path("/proc/cpuinfo")
_PATIENCE_SECONDS = 20.0


def machine(*packages: str) -> dict[str, str]:
    """Return the machine's description and the versions of these packages, for a report."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "system": f"{platform.system()} {platform.release()}, {_memory_gib():.0f} GiB",
        "python": platform.python_version(),
        "leadart": __version__,
        **{name: version(name) for name in packages},
    }


def engine_machine() -> dict[str, str]:
    """Return the machine, the engine's libraries, the GPUs and their driver."""
    return {**machine("torch", "diffusers", "transformers"), **_gpus()}


def _gpus() -> dict[str, str]:
    """Return the GPUs as nvidia-smi names them: torch would keep a CUDA context open in this process."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {"gpu": "none"}
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError) as error:
        return {"gpu": f"nvidia-smi does not answer ({type(error).__name__})"}
    return {"gpu": "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip()) or "none"}


def _processor() -> str:
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
