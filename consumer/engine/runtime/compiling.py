"""What can be compiled, and with what: the decoder as one graph, and the plain arithmetic between matrix products."""

import importlib
import os
import shlex
import shutil
from collections.abc import Mapping
from typing import Any

import torch

from consumer.engine.runtime.decoder import DecodePass, decode_pass
from consumer.engine.runtime.forward.kernels import Kernels
from consumer.errors import Fatal
from schemas import Reason

_BACKEND: Any = "inductor"
_COMPILERS = {"cuda": ("CC", "gcc", "clang"), "cpu": ("CXX", "g++"), "mps": ("CXX", "clang++", "g++")}


def compile_kernels(kernels: Kernels) -> Kernels:
    """Have the formulas compiled at their first calls: once for all layers, with dynamic shapes for all sizes."""
    return Kernels._make(torch.compile(kernel, dynamic=True, backend=_BACKEND) for kernel in kernels)


def compile_decode_pass() -> DecodePass:
    """Have the decoder compiled at its first calls, as one graph: once for a picture alone, once for several."""
    return torch.compile(decode_pass, dynamic=True, fullgraph=True, backend=_BACKEND)


def wants_compiling(configured: bool | None, device: str) -> bool:  # noqa: FBT001 - a setting's value
    """Return whether to compile for a device as configured; None: on CUDA, if there is something to compile with.

    Raises Fatal if told to compile and there is nothing to compile with.
    """
    if configured is None:
        return device == "cuda" and not missing_for_triton(os.environ)
    if configured:
        require_compiler(device, os.environ)
    return configured


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
