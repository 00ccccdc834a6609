from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from consumer.engine.runtime.forward.implementation import choose_kernels
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.errors import Fatal
from consumer.settings import EngineSettings, KernelKind
from schemas import Reason

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
AUTO = EngineSettings()
FUSED = EngineSettings(kernels=KernelKind.FUSED)


@pytest.fixture
def no_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Triton away."""
    monkeypatch.setitem(sys.modules, "triton", None)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take every program away, the C compiler too."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)


def test_a_gpu_gets_fused_kernels() -> None:
    """With Triton and a compiler both `auto` and `fused` fuse on CUDA."""
    pytest.importorskip("triton")
    assert choose_kernels(AUTO, CUDA).kernels is choose_kernels(FUSED, CUDA).kernels is not PLAIN
    assert choose_kernels(AUTO, CUDA).words == "fused"


def test_fused_kernels_need_cuda() -> None:
    """On a CPU the formulas are plain, and asking for fused ones names the setting."""
    assert choose_kernels(AUTO, CPU).kernels is PLAIN
    with pytest.raises(Fatal, match="LEADART_ENGINE__KERNELS=fused needs CUDA"):
        choose_kernels(FUSED, CPU)


@pytest.mark.usefixtures("no_triton")
def test_a_gpu_without_triton_is_painted_on_all_the_same() -> None:
    """`auto` takes the plain formulas, and says why they are slower."""
    choice = choose_kernels(AUTO, CUDA)
    assert choice.kernels is PLAIN
    assert choice.words.startswith("plain, slower than fused: Triton cannot be imported (")
    assert choice.words.endswith("): install triton")


@pytest.mark.usefixtures("no_compiler")
def test_triton_without_a_compiler_is_no_use() -> None:
    """It compiles launchers in C at the first picture, so without a compiler `auto` does not fuse either."""
    pytest.importorskip("triton")
    choice = choose_kernels(AUTO, CUDA)
    assert choice.kernels is PLAIN
    assert choice.words == "plain, slower than fused: there is no gcc or clang: install one, name it in CC"


@pytest.mark.usefixtures("no_triton")
def test_asking_for_fused_kernels_without_triton_names_the_setting() -> None:
    """Somebody who asks for them is told what to install rather than painting more slowly."""
    with pytest.raises(Fatal, match=r"KERNELS=fused needs Triton: .*install triton, or use auto") as fatal:
        choose_kernels(FUSED, CUDA)
    assert fatal.value.reason is Reason.MISCONFIGURED
