"""Run a server that must not outlive its starter: `python guard.py COMMAND...`.

Standard input is a pipe that the starter holds open and never writes to. It ends with the starter, `kill -9` included,
and then the server is killed. Linux's parent-death signal would not do: it is tied to the *thread* that forked, and no
other system has it. The first line on standard output is the server's process id.
"""

import os
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run `command` until it ends or standard input does; return its exit status."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)  # noqa: S603 - our own starter's words
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_starter, args=(server,), daemon=True).start()
    return server.wait()


def _end_with_starter(server: subprocess.Popen[bytes]) -> None:
    os.read(
        sys.stdin.fileno(), 1
    )  # not through sys.stdin, whose lock would hold up the interpreter's exit for a second
    server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
