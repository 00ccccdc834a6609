from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumer.engine.runtime.compiling import require_compiler
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
