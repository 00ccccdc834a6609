from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumer.dev.embedded import EmbeddedMissing, jars
from consumer.dev.embedded.__main__ import app
from consumer.dev.embedded.jars import ENDPOINT, MIRROR, cache_folder, ensure_jars, locked

_CONTENT = {"one": b"first jar", "two": b"second jar"}
_NOWHERE = "http://127.0.0.1:9"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word on stderr."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The folder of a Maven repository with two jars."""
    for name, data in _CONTENT.items():
        folder = tmp_path / "repository" / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True)
        (folder / f"{name}-1.0.jar").write_bytes(data)
    return tmp_path / "repository"


@pytest.fixture
def mirror(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The repository served on loopback, a lock that names its jars, and an empty cache."""
    lock = tmp_path / "kafka.lock"
    lock.write_text(
        "".join(f"{hashlib.sha256(data).hexdigest()} org.example:{name}:1.0\n" for name, data in _CONTENT.items())
    )
    monkeypatch.setattr(jars, "_LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(repository))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv(MIRROR, f"{address}/")
        yield address
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("mirror")
def test_jars_are_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing jars come from the mirror; once in the cache they need no network."""
    paths, fetched = ensure_jars()
    assert (fetched, [path.read_bytes() for path in paths]) == (2, list(_CONTENT.values()))
    assert sorted(path.name for path in cache_folder().iterdir()) == ["one-1.0.jar", "two-1.0.jar"]

    monkeypatch.setenv(MIRROR, _NOWHERE)
    assert ensure_jars() == (paths, 0)


@pytest.mark.usefixtures("mirror")
def test_a_broken_jar_in_the_cache_is_fetched_again() -> None:
    """A jar that is not the locked one, torn by a full disk say, is replaced."""
    (first, second), _ = ensure_jars()
    first.write_bytes(b"fir")

    assert ensure_jars() == ([first, second], 1)
    assert first.read_bytes() == b"first jar"


@pytest.mark.usefixtures("mirror")
def test_another_jar_than_the_locked_one_is_refused(repository: Path) -> None:
    """A mirror that serves other bytes is named by the jar, and none of its bytes reach the cache."""
    (repository / "org/example/two/1.0/two-1.0.jar").write_bytes(b"evil jar")

    with pytest.raises(EmbeddedMissing, match=r"two-1\.0\.jar.*SHA-256"):
        ensure_jars()
    assert not (cache_folder() / "two-1.0.jar").exists()


@pytest.mark.parametrize("where", ["no server", "no such folder"])
def test_offline_says_what_to_do(mirror: str, where: str, tmp_path: Path) -> None:
    """Without a network, or with a wrong mirror, the message names the command, the variable and the folder."""
    address = {"no server": _NOWHERE, "no such folder": f"{mirror}/nothing/here"}[where]
    outcome = subprocess.run(  # jgo leaves connections open when it finds nothing: not in this process
        [sys.executable, "-m", "consumer.dev.embedded", "fetch"],
        env=os.environ | {MIRROR: address, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome.returncode == 1
    for advice in ("python -m consumer.dev.embedded fetch", MIRROR, str(tmp_path)):
        assert advice in outcome.stderr


@pytest.mark.usefixtures("mirror")
def test_fetch_says_what_it_did() -> None:
    """The command used at install says how many jars there are, how many came now, and where they are."""
    outcome = CliRunner().invoke(app, ["fetch"])

    assert outcome.exit_code == 0
    assert "2 jars" in outcome.stdout
    assert "2 fetched, all verified" in outcome.stdout
    assert str(cache_folder()) in outcome.stdout


def test_the_lock_is_the_endpoint() -> None:
    """The lock names the broker and the logger of the endpoint, and no second version of anything."""
    coordinates = {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked()}

    assert set(ENDPOINT.split("+")) <= coordinates
    assert len(locked()) == len({(jar.group, jar.artifact) for jar in locked()}) == 46
    assert {jar.version for jar in locked() if jar.group == "org.apache.kafka"} == {"4.3.1"}
