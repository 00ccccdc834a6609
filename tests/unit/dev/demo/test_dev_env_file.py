"""The settings file of `leadart dev`."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from consumer.dev.demo.dev import MARK, remove_settings, write_settings
from consumer.errors import Fatal
from consumer.settings import load_settings

SETTINGS = {
    "LEADART_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1234",
    "LEADART_STORAGE__SECRET_ACCESS_KEY": "s#cret 'y\\' z",
    "LEADART_ENGINE__MODEL": "/models/o'hara\"s model",
}


def test_the_settings_file_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    """Spaces, quotes, backslashes and hashes survive the way through the file."""
    write_settings(tmp_path / "env", SETTINGS)
    settings = load_settings(tmp_path / "env")

    assert settings.kafka.bootstrap_servers == "127.0.0.1:1234"
    assert settings.storage.secret_access_key
    assert settings.storage.secret_access_key.get_secret_value() == "s#cret 'y\\' z"
    assert str(settings.engine.model) == "/models/o'hara\"s model"


def test_a_shell_reads_the_same_settings(tmp_path: Path) -> None:
    """`set -a; . FILE` gives the same values."""
    write_settings(tmp_path / "env", SETTINGS)
    script = 'set -a; . "$1"; printf %s "$LEADART_STORAGE__SECRET_ACCESS_KEY"'
    done = subprocess.run(["/bin/sh", "-c", script, "sh", tmp_path / "env"], capture_output=True, check=True)  # noqa: S603 - our own words

    assert done.stdout.decode() == SETTINGS["LEADART_STORAGE__SECRET_ACCESS_KEY"]


def test_the_settings_file_is_for_our_eyes_only(tmp_path: Path) -> None:
    """It holds keys, so nobody else may read it; and no draft of it stays behind."""
    write_settings(tmp_path / "env", SETTINGS)

    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["env"]


def test_only_a_settings_file_of_ours_is_removed(tmp_path: Path) -> None:
    """`--env-file` reads everywhere else: whoever names the settings of production here keeps them."""
    production, ours = tmp_path / "prod.env", tmp_path / "dev.env"
    production.write_text("LEADART_STORAGE__SECRET_ACCESS_KEY=x\n")
    ours.write_text(f"{MARK}\nLEADART_HTTP__PORT=1\n")
    remove_settings(ours)
    remove_settings(ours)
    with pytest.raises(Fatal, match=r"prod\.env is there and was not written by leadart dev"):
        remove_settings(production)
    with pytest.raises(Fatal, match="Is a directory"):
        remove_settings(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["prod.env"]
