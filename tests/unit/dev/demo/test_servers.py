"""Kept data are found again, and other files are not mistaken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.demo.servers import open_servers
from consumer.errors import Fatal


def test_kept_servers_have_the_same_addresses_and_keys(tmp_path: Path) -> None:
    """A CMS keeps its settings over a restart."""
    found = []
    for _ in range(2):
        with open_servers(tmp_path / "data") as servers:
            found.append((servers.kafka.ports, servers.s3.ports, servers.s3.secret_access_key))
            servers.remember()
    assert found[0] == found[1]


def test_temporary_data_are_gone_at_the_end() -> None:
    """Nothing is remembered of them."""
    with open_servers(None) as servers:
        servers.remember()
        assert servers.folder.is_dir()
        assert not list(servers.folder.iterdir())
    assert not servers.folder.exists()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Two brokers on one log would destroy it."""
    with open_servers(tmp_path), pytest.raises(Fatal, match="in use by another leadart dev"), open_servers(tmp_path):
        pass
    with open_servers(tmp_path):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """Nor is a file taken for a folder."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(Fatal, match="files that are not from leadart dev"), open_servers(tmp_path):
        pass
    with pytest.raises(Fatal, match="File exists"), open_servers(tmp_path / "thesis.tex"):
        pass


def test_a_folder_whose_addresses_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A full disk cut them short, say: that is a sentence, not a trace."""
    (tmp_path / "leadart-dev.json").write_text('{"kafka": [1')
    with pytest.raises(Fatal, match=r"leadart-dev\.json is damaged"), open_servers(tmp_path):
        pass
