from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from consumer.engine.compile_cache import TORCH, TRITON, cache_variables


def test_by_default_it_lasts(tmp_path: Path) -> None:
    """Compiled code lies in the user's cache folder, which is not created before there is some."""
    home = tmp_path / "home"
    folder = home / ".cache" / "leadart"
    assert cache_variables(None, {"HOME": str(home)}) == {TORCH: str(folder), TRITON: str(folder / "triton")}
    assert not home.exists()
    (found,) = {
        Path(value).parts[: len(tmp_path.parts) + 1]
        for value in cache_variables(None, {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "cache")}).values()
    }
    assert Path(*found) == tmp_path / "cache"


def test_an_operators_variables_stay(tmp_path: Path) -> None:
    """Without a setting they take precedence over the default, each by itself."""
    ours = {"HOME": str(tmp_path), TRITON: "theirs"}
    assert cache_variables(None, ours) == {TORCH: str(tmp_path / ".cache" / "leadart")}


@pytest.mark.parametrize("home", ["read-only", "relative", "none"])
def test_without_a_folder_to_write_it_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Triton, which knows no other place than the home folder, is led to the temporary one; torch goes there itself."""
    monkeypatch.setattr("consumer.engine.compile_cache.os.access", lambda _path, _mode: False)
    ours = {"read-only": {"HOME": str(tmp_path)}, "relative": {"XDG_CACHE_HOME": "cache"}, "none": {}}[home]
    (found,) = cache_variables(None, ours).items()
    assert found[0] == TRITON
    assert found[1].startswith(tempfile.gettempdir())
