"""`leadart worker`: how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def run(styles: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from consumer.cli import main; main()", "worker"]
    env = {"LEADART_STYLES__FILE": str(styles), "LEADART_HTTP__PORT": "0", "LEADART_LOG__FORMAT": "json"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


def test_a_fatal_end_is_a_log_line_and_a_sentence(tmp_path: Path) -> None:
    """The last line on stdout is JSON and says what stderr says: log collectors read stdout alone."""
    done = run(tmp_path / "no-styles.toml")
    last = json.loads(done.stdout.splitlines()[-1])

    assert done.returncode == 1
    assert (last["event"], last["level"]) == ("worker_failed", "critical")
    assert "LEADART_STYLES__FILE" in last["error"]
    assert f"leadart: {last['error']}" in done.stderr
    assert "Traceback" not in done.stderr
