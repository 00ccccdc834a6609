"""Commands that are killed at a failpoint."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from consumer.failpoints import PASS, Failpoint
from tests.support.harness import BOUND, Site


def kill_at_second_pass(site: Site, folder: Path, place: Failpoint, arguments: Sequence[str]) -> None:
    """Run a leadart command, let it pass the failpoint once, and kill it there the second time."""
    armed = folder / f"{place}.armed"
    armed.write_text(PASS)
    caught = subprocess.Popen(  # noqa: S603 - our own command
        [*site.command, *arguments],
        env={**os.environ, **site.env, "LEADART_WORKER__FAILPOINTS": str(folder)},
        stdout=subprocess.DEVNULL,
    )
    hit = folder / f"{place}.hit-{caught.pid}"
    try:
        for again in (True, False):
            deadline = time.monotonic() + BOUND
            while not hit.exists():
                assert caught.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            if again:
                hit.unlink()
                armed.touch()
    finally:
        caught.kill()
        caught.wait(BOUND)
