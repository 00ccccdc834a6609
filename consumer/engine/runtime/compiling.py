"""Compiling the arithmetic between matrix products: once for all layers, with dynamic shapes for all sizes."""

import importlib
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
_COMPILERS = {"cuda": ("CC", "gcc", "clang"), "cpu": ("CXX", "g++"), "mps": ("CXX", "clang++", "g++")}


def compile_kernels(kernels: Kernels, device: torch.device) -> Kernels:
    """Have the formulas compiled at their first calls. Raises Fatal if torch would find nothing to compile with."""
    require_compiler(device.type, os.environ)
    return Kernels._make(torch.compile(kernel, dynamic=True, backend=_BACKEND) for kernel in kernels)


def require_compiler(device: str, environment: Mapping[str, str]) -> None:
    """Raise Fatal if nothing can be compiled for a device: for a CPU torch generates C++, for a GPU Triton's code."""
    if lack := missing_compiler(device, environment) or (missing_triton() if device == "cuda" else ""):
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__COMPILE needs a compiler: {lack}, or leave LEADART_ENGINE__COMPILE unset.",
        )


def missing_for_triton(environment: Mapping[str, str]) -> str:
    """Return what is missing for kernels in Triton's language on a GPU, and what to do; "" if nothing is.

    Triton compiles launchers in C at the first call of each kernel.
    """
    return missing_triton() or missing_compiler("cuda", environment)


def missing_triton() -> str:
    """Return that Triton cannot be imported, why, and what to do; "" if it can."""
    try:
        importlib.import_module("triton")
    except ImportError as error:
        return f"Triton cannot be imported ({error}): install triton"
    return ""


def missing_compiler(device: str, environment: Mapping[str, str]) -> str:
    """Return that the compiler for a device's generated code is missing, and what to do; "" if it is there."""
    variable, *defaults = _COMPILERS[device]
    names = shlex.split(environment.get(variable, ""))[:1] or defaults
    if any(shutil.which(name, path=environment.get("PATH")) for name in names):
        return ""
    return f"there is no {' or '.join(names)}: install one, name it in {variable}"
