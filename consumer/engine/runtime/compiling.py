"""The transformer's blocks compiled: once for all layers, and with dynamic shapes for all sizes and prompts."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import torch

from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

RECOMPILE_LIMIT = 64
"""Variants of a block that are compiled before torch falls back to eager: masks and each set of adapters make some."""

_COMPILERS = {"cuda": ("CC", "gcc", "clang"), "cpu": ("CXX", "g++")}


def compile_blocks(transformer: Any, device: torch.device) -> None:
    """Let the blocks be compiled at their first calls. Raises Fatal where torch would find no compiler to call."""
    require_compiler(device.type, os.environ)
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT  # noqa: SLF001 - the documented place of this setting
    transformer.compile_repeated_blocks(dynamic=True)


def require_compiler(device: str, environment: Mapping[str, str]) -> None:
    """Raise Fatal unless the compiler is there: Triton writes launchers in C for a GPU, torch C++ for a processor."""
    variable, *usual = _COMPILERS[device]
    wanted = shlex.split(environment.get(variable, ""))[:1] or usual
    if not any(shutil.which(name, path=environment.get("PATH")) for name in wanted):
        raise Fatal(
            Reason.MISCONFIGURED,
            f"LEADART_ENGINE__COMPILE needs a compiler, and there is no {' or '.join(wanted)}: "
            f"install one, name it in {variable}, or leave LEADART_ENGINE__COMPILE unset.",
        )
