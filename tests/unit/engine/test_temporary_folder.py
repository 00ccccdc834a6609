from __future__ import annotations

from pathlib import Path

import pytest

from consumer.engine.temporary_folder import require_temporary_folder
from consumer.errors import Fatal
from schemas import Reason


def test_without_a_writable_folder_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container whose file system is read-only gets a sentence, not torch's traceback three times."""
    missing = str(tmp_path / "missing")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [missing])

    with pytest.raises(Fatal, match=rf"{missing}.*TMPDIR") as refused:
        require_temporary_folder()
    assert refused.value.reason is Reason.MISCONFIGURED


def test_a_writable_folder_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What TMPDIR names comes first."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    assert require_temporary_folder() == str(tmp_path)
