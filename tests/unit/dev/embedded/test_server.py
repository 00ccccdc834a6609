from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from consumer.dev.embedded import Server
from consumer.dev.embedded.server import accepts, free_ports
from consumer.errors import Fatal

_READY = "import signal, sys, time; print('up', flush=True); "
_SLEEP = _READY + "time.sleep(600)"
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _SLEEP


class Script(Server):
    """A server that is ready when it has printed `up`."""

    def __init__(self, folder: Path, script: str = _SLEEP, python: str = sys.executable) -> None:
        super().__init__(folder, "script")
        self._script = [python, "-c", script]

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return self._script, {"GREETING": "hello"}

    def _answers(self) -> bool:
        return "up" in self._log_since_start()


class Lame(Script):
    """A server that answers and says why it cannot be used."""

    def _answers(self) -> bool:
        self._obstacle = "no volume yet"
        return False


class Crowded(Script):
    """A server whose first ports are taken before it has them."""

    def __init__(self, folder: Path, taken: int, complaint: str = "bind: address already in use") -> None:
        self.choices = 0
        self._taken = taken
        self._complaint = complaint
        super().__init__(folder)

    def _choose_ports(self) -> None:
        self.choices += 1

    def _command(self) -> tuple[list[str], dict[str, str]]:
        crash = f"import sys; sys.exit({self._complaint!r})"
        return ([sys.executable, "-c", crash], {}) if self.choices <= self._taken else super()._command()


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    """Whoever takes a port between the probe and the server's own bind costs another choice, not the start."""
    with Crowded(tmp_path, taken=2) as server:
        assert server.running
        assert server.choices == 3


def test_other_failures_are_not_tried_again(tmp_path: Path) -> None:
    """A server that does not start for any other reason is reported at once."""
    server = Crowded(tmp_path, taken=2, complaint="no such option")
    with pytest.raises(Fatal, match="no such option"):
        server.start()

    assert server.choices == 1


def _gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    return not psutil.pid_exists(pid)


def test_it_runs_until_it_is_stopped(tmp_path: Path) -> None:
    """Inside `with` the server runs, in a session of its own; after it the process is gone."""
    with Script(tmp_path) as server:
        pid = server.pid
        assert os.getsid(pid) != os.getsid(0)
    assert not server.running
    assert _gone(pid)


def test_a_relative_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be relative to where we stand, and starting a server that runs starts no second one."""
    monkeypatch.chdir(tmp_path)
    with Script(Path("here")) as server:
        pid = server.pid
        server.start()
        assert server.pid == pid
    assert (tmp_path / "here" / "script.log").read_text().count("up") == 1


def test_a_stubborn_server_is_killed(tmp_path: Path) -> None:
    """A server that ignores SIGTERM is killed after the grace."""
    server = Script(tmp_path, _STUBBORN)
    server.start()
    pid = server.pid
    server.stop(grace_seconds=0.1)
    assert _gone(pid)


def test_a_frozen_server_stops(tmp_path: Path) -> None:
    """A frozen server is thawed to be stopped, so that it can end in order."""
    script = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye', flush=True))); " + _SLEEP
    )
    server = Script(tmp_path, script)
    server.start()
    server.freeze()
    server.stop()
    assert "bye" in server.log.read_text()


def test_it_starts_again_after_a_kill(tmp_path: Path) -> None:
    """Killed, then started, or restarted, a server is another process with the same log."""
    with Script(tmp_path) as server:
        pids = [server.pid]
        server.kill()
        assert not server.running
        server.start()
        pids.append(server.pid)
        server.restart()
        pids.append(server.pid)
    assert len(set(pids)) == 3
    assert server.log.read_text().count("up") == 3


def test_ending_twice_is_ending_once(tmp_path: Path) -> None:
    """Stop and kill do nothing to a server that has ended, or never ran; its process id cannot be asked for."""
    server = Script(tmp_path)
    server.stop()
    server.start()
    os.kill(server.pid, signal.SIGKILL)
    server.kill()
    server.stop()
    with pytest.raises(ValueError, match="not running"):
        _ = server.pid


def test_a_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A server that ends before it is ready raises with the last lines of this start's log, and leaves no process."""
    server = Script(tmp_path, "import os; print(os.environ['GREETING']); raise SystemExit('no disk')")
    (tmp_path / "script.log").write_text("an earlier run\n")
    with pytest.raises(Fatal, match="script did not start") as caught:
        server.start()
    assert "hello" in caught.value.message
    assert "no disk" in caught.value.message
    assert "an earlier run" not in caught.value.message
    assert not server.running


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """A command that cannot be run is a failed start like any other."""
    with pytest.raises(Fatal, match="No such file"):
        Script(tmp_path, python=str(tmp_path / "nothing")).start()


def test_a_start_that_hangs_is_bounded(tmp_path: Path) -> None:
    """A server that is not ready in time is killed."""
    server = Script(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(Fatal, match="did not start"):
        server.start(within_seconds=0.3)
    assert not server.running


def test_what_kept_a_server_from_being_ready_is_named(tmp_path: Path) -> None:
    """When the time is up, the start fails with the last reason beside the log."""
    with pytest.raises(Fatal, match="script did not start: no volume yet; its log ends"):
        Lame(tmp_path).start(within_seconds=0.1)


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_it_ends_with_its_starter(tmp_path: Path, *, frozen: bool) -> None:
    """`kill -9` of the process that started it ends the server and its guard, even while the server is frozen."""
    starter_script = f"""
import sys, threading
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_server import Script
server = Script(Path({str(tmp_path)!r}), {_STUBBORN!r})
thread = threading.Thread(target=server.start)  # a thread that ends must not take the server with it
thread.start()
thread.join()
if {frozen}:
    server.freeze()
print(server.pid, server._guard.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", starter_script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:  # noqa: S603 - ours
        assert starter.stdout is not None
        server, guard = (int(word) for word in starter.stdout.readline().split())
        assert psutil.pid_exists(server)
        starter.kill()
    assert _gone(server)
    assert _gone(guard)


def test_free_ports_are_free_and_below_the_outgoing_ones() -> None:
    """Ports differ, can be bound, and lie where no outgoing connection gets its own."""
    ports = free_ports(5, also=10_000)

    assert len(set(ports)) == 5
    assert max(ports) + 10_000 < 32_768
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports[0]))
        assert not accepts(ports[0])
        server.listen()
        assert accepts(ports[0])
