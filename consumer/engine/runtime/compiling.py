"""Compiling the transformer's blocks: once for all layers, with dynamic shapes for all sizes and prompts."""

import os
import shlex
import shutil
from collections.abc import Mapping
from typing import Any

import torch

from consumer.errors import Fatal
from schemas import Reason

RECOMPILE_LIMIT = 64
"""Compiled variants of a block before torch falls back to eager: masks and each set of adapters add some."""

_COMPILERS = {"cuda": ("CC", "gcc", "clang"), "cpu": ("CXX", "g++")}


def compile_blocks(transformer: Any, device: torch.device) -> None:
    """Have the blocks compiled at their first calls. Raises Fatal if torch would find no compiler."""
    require_compiler(device.type, os.environ)
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT  # noqa: SLF001 - documented as the way to set it
    transformer.compile_repeated_blocks(dynamic=True)


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
