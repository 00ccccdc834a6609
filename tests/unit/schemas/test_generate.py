"""`python -m schemas.generate`: the files generated from the models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from schemas import generate
from schemas.publish import event_schemas
from schemas.tables import readme


def test_the_generated_files_are_up_to_date() -> None:
    """After a change of a model run `make schemas` and commit what it writes."""
    assert generate.differing() == []


def test_the_check_runs_from_the_command_line() -> None:
    """`--check` exits 0 without output if everything is in sync."""
    done = subprocess.run(
        [sys.executable, "-m", "schemas.generate", "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_names_what_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A drifted and a missing file are named, and nothing is written."""
    folder = tmp_path / "schemas"
    folder.mkdir()
    drifted, missing = folder / "asyncapi.yaml", folder / "events.json"
    drifted.write_text("old")
    monkeypatch.setattr(generate, "FOLDER", folder)
    monkeypatch.setattr(generate, "documents", lambda: {drifted: "new", missing: "new"})
    assert generate.main(["--check"]) == 1
    reported = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[0] for line in reported] == ["schemas/asyncapi.yaml", "schemas/events.json"]
    assert (drifted.read_text(), missing.exists()) == ("old", False)


def test_writing_creates_folders_and_removes_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an option all files are written, with missing folders; only a release writes the released schemas."""
    target = tmp_path / "events" / "a.json"
    monkeypatch.setattr(generate, "documents", lambda: {target: "new"})
    monkeypatch.setattr(generate, "RELEASED", tmp_path / "released")
    assert generate.main([]) == 0
    assert (target.read_text(), (tmp_path / "released").exists()) == ("new", False)
    assert generate.main(["--release"]) == 0
    assert len(list((tmp_path / "released").iterdir())) == len(event_schemas())


def test_the_readme_keeps_what_people_wrote() -> None:
    """Only the text between the marks is regenerated, and an unknown mark is an error."""
    text = "before\n<!-- reasons: made by `make schemas` -->\nold\n<!-- end -->\nafter\n"
    made = readme(text)
    assert made.startswith("before\n<!-- reasons: made by `make schemas` -->\n\n| `reason` |")
    assert made.endswith("|\n\n<!-- end -->\nafter\n")
    assert readme(made) == made
    with pytest.raises(KeyError, match="weather"):
        readme(text.replace("reasons", "weather"))
