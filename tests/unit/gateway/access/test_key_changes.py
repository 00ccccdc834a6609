from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.errors import Fatal
from consumer.gateway.access import key_changes
from consumer.gateway.access.key_changes import added, change_keys
from consumer.gateway.access.key_file import make_key, read_keys
from consumer.gateway.access.principal import Scope


def test_changes_at_once_are_all_made(tmp_path: Path) -> None:
    """Of twenty keys that are added at the same time none is lost, and no draft is left."""
    file = tmp_path / "keys.json"
    keys = [make_key("/cms/news", [Scope.READ])[0] for _ in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: change_keys(file, lambda known: added(known, key)), keys))
    assert {key.id for key in read_keys(file).keys} == {key.id for key in keys}
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", ".keys.json.lock"}


def test_a_change_that_fails_leaves_the_file(tmp_path: Path) -> None:
    """What cannot be read is not written over."""
    file = tmp_path / "keys.json"
    file.write_text("{")
    with pytest.raises(Fatal, match=r"keys\.json"):
        change_keys(file, lambda keys: keys)
    assert file.read_text() == "{"


def test_a_file_stays_as_readable_as_it_was(tmp_path: Path) -> None:
    """A gateway that runs as another user still reads it, and a link still leads to it."""
    file, link = tmp_path / "keys.json", tmp_path / "link.json"
    file.write_text('{"keys": []}')
    file.chmod(0o640)
    link.symlink_to(file)
    change_keys(link, lambda keys: added(keys, make_key("/cms/news", [Scope.READ])[0]))
    assert file.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert len(read_keys(link).keys) == 1


def test_a_lock_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another change that hangs is named."""
    monkeypatch.setattr(key_changes, "LOCK_SECONDS", 0.0)
    file = tmp_path / "keys.json"

    def meanwhile(_known: object) -> None:
        change_keys(file, lambda keys: keys)

    with pytest.raises(Fatal, match="holds"):
        change_keys(file, meanwhile)  # type: ignore[arg-type]
