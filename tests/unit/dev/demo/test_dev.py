from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.dev import tell_outcome, write_settings
from consumer.settings import load_settings
from schemas import names
from tests.unit.dev.demo.conftest import answers_to

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.processing.styles import Styles

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


def test_a_shell_reads_the_settings_file_likewise(tmp_path: Path) -> None:
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


def test_outcomes_are_told_with_what_a_developer_needs(styles: Styles) -> None:
    """A ready one with its addresses, a failed one with its sentence."""
    told = [
        tell_outcome(record)
        for save in load_edition()
        for record in answers_to(save, styles)
        if record.topic == names.OUTCOME
    ]

    assert told[0].startswith("ready: a-1042 revision 1")
    assert told[0].count("http://127.0.0.1") == 4
    assert any(line.startswith("ready, reused: a-1050") for line in told)
    assert any(line.startswith("failed: a-1090 revision 1: invalid_field: `output.width`") for line in told)
