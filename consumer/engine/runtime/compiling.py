"""Compiling the arithmetic between matrix products: once for all layers, with dynamic shapes for all sizes."""

import os
import shlex
import shutil
from collections.abc import Mapping
from typing import Any

import torch

from consumer.engine.runtime.forward.kernels import Kernels
from consumer.errors import Fatal
from schemas import Reason

_BACKEND: Any = "inductor"
_COMPILERS = {"cuda": ("CC", "gcc", "clang"), "cpu": ("CXX", "g++")}


def compile_kernels(kernels: Kernels, device: torch.device) -> Kernels:
    """Have the formulas compiled at their first calls. Raises Fatal if torch would find no compiler."""
    require_compiler(device.type, os.environ)
    return Kernels(*(torch.compile(kernel, dynamic=True, backend=_BACKEND) for kernel in kernels))


def require_compiler(device: str, environment: Mapping[str, str]) -> None:
    """Raise Fatal without a compiler: for a GPU Triton generates launchers in C, for a CPU torch generates C++."""
    variable, *defaults = _COMPILERS[device]
    names = shlex.split(environment.get(variable, ""))[:1] or defaults
    if not any(shutil.which(name, path=environment.get("PATH")) for name in names):
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__COMPILE needs a compiler, and there is no {' or '.join(names)}: "
            f"install one, name it in {variable}, or leave LEADART_ENGINE__COMPILE unset.",
        )
