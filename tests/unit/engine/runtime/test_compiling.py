from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from consumer.engine.runtime import compiling
from consumer.engine.runtime.compiling import require_compiler, wants_compiling
from consumer.errors import Fatal


@pytest.mark.parametrize(
    ("device", "compiler", "variable"), [("cuda", "gcc", "CC"), ("cpu", "g++", "CXX"), ("mps", "g++", "CXX")]
)
def test_without_a_compiler_the_start_fails(device: str, compiler: str, variable: str, tmp_path: Path) -> None:
    """A slim container image has no compiler: torch would only fail at the first picture, with its own traceback."""
    with pytest.raises(Fatal, match=f"no .*{re.escape(compiler)}.*name it in {variable}"):
        require_compiler(device, {"PATH": str(tmp_path)})
    (tmp_path / compiler).write_text("")
    (tmp_path / compiler).chmod(0o755)
    require_compiler(device, {"PATH": str(tmp_path)})
    require_compiler(device, {"PATH": str(tmp_path), variable: f"{compiler} -O1"})
    with pytest.raises(Fatal, match="there is no theirs"):
        require_compiler(device, {"PATH": str(tmp_path), variable: "theirs"})


@pytest.fixture
def nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take Triton and every program away."""
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)


def test_by_default_only_cuda_is_compiled_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It pays where a picture takes a second and pictures come all day; `false` means never."""
    monkeypatch.setattr(compiling, "missing_for_triton", lambda _environment: "")
    assert [wants_compiling(None, device) for device in ("cuda", "cpu", "mps")] == [True, False, False]
    assert not wants_compiling(configured=False, device="cuda")


@pytest.mark.usefixtures("nothing_there")
def test_by_default_a_gpu_without_a_compiler_is_painted_on_uncompiled() -> None:
    """Nobody asked for it, so it is no error; what `engine_ready` says of the kernels names what is missing."""
    assert not wants_compiling(None, "cuda")


@pytest.mark.usefixtures("nothing_there")
@pytest.mark.parametrize("device", ["cuda", "cpu", "mps"])
def test_asking_to_compile_without_a_compiler_names_the_setting(device: str) -> None:
    """It would fail in the background, minutes later."""
    with pytest.raises(Fatal, match=r"LEADART_ENGINE__COMPILE needs a compiler: .*COMPILE unset"):
        wants_compiling(configured=True, device=device)


def test_compiling_for_a_gpu_needs_triton_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C compiler alone compiles nothing for it."""
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setattr(compiling, "missing_compiler", lambda *_arguments: "")
    with pytest.raises(Fatal, match=r"needs a compiler: Triton cannot be imported"):
        wants_compiling(configured=True, device="cuda")
