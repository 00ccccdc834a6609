"""A run takes the place of an earlier run, and of nothing else in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.demo.run import lay_out, make_room
from consumer.errors import Fatal

SHOWN, OLD = f"{'a' * 64}.png", f"{'b' * 64}.png"


def test_an_earlier_run_makes_room(tmp_path: Path) -> None:
    """Its log and events go first, pictures that the new page does not show only with that page."""
    folder = tmp_path / "out" / "demo"
    make_room(folder)
    for name in ("events.jsonl", "worker.log", "index.html", f"pictures/{OLD}", f"pictures/{SHOWN}", ".hidden"):
        (folder / name).touch()
    make_room(folder)
    assert {file.name for file in folder.iterdir()} == {"pictures", "index.html", ".hidden"}
    assert (folder / "pictures" / OLD).exists()

    lay_out(folder, f'<img src="pictures/{SHOWN}">')
    assert [file.name for file in (folder / "pictures").iterdir()] == [SHOWN]


def test_other_pictures_stay(tmp_path: Path) -> None:
    """What is not named by a digest was not left by a run, be it a file or a folder."""
    make_room(tmp_path)
    (tmp_path / "pictures" / "wedding.jpg").touch()
    (tmp_path / "pictures" / "2026").mkdir()
    lay_out(tmp_path, "")
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == {"wedding.jpg", "2026"}


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """A project's own folder is not taken for one of an earlier run: nothing in it changes."""
    for name in ("index.html", "package.json", "events.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(Fatal, match=r"holds package\.json, which is not from the demo"):
        make_room(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"index.html", "package.json", "events.jsonl"}


def test_a_path_that_cannot_be_a_folder_is_reported(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match=r"file.*Not a directory"):
        make_room(tmp_path / "file" / "demo")
