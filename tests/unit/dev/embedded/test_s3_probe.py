from __future__ import annotations

import sys
from pathlib import Path

import pytest

from consumer.dev.embedded import S3Server

pytestmark = pytest.mark.slow  # the client repeats what was refused, with pauses

_FAKE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

refusals, losses = int(sys.argv[2]), int(sys.argv[3])
stored = {}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        global losses
        lost = losses > 0 and self.path in stored
        losses -= lost
        self.answer(200, b"" if lost else stored.get(self.path, b""))

    def do_PUT(self):
        global refusals
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        print("PUT", self.path, flush=True)
        if refusals and self.path.endswith("/probe"):
            refusals -= 1
            return self.answer(500, b"<Error><Code>InternalError</Code><Message>no volume yet</Message></Error>")
        stored[self.path] = body
        self.answer(200)

    def do_DELETE(self):
        print("DELETE", self.path, flush=True)
        self.answer(204)

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Starting(S3Server):
    """A store whose front answers at once, and which refuses the first writes of objects and loses the next ones."""

    def __init__(self, folder: Path, refusals: int, losses: int) -> None:
        super().__init__(folder)
        self._arguments = [str(refusals), str(losses)]

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", _FAKE, str(self._port), *self._arguments], {}


@pytest.mark.parametrize(("refusals", "losses"), [(4, 0), (0, 1)], ids=["refused", "lost"])
def test_a_store_is_up_once_it_keeps_an_object(tmp_path: Path, refusals: int, losses: int) -> None:
    """A front that answers is not enough: the start waits until a write is read back, and leaves nothing of its own."""
    with Starting(tmp_path, refusals, losses) as store:
        asked = [line for line in store.log.read_text().splitlines() if line.startswith(("PUT", "DELETE"))]

    assert asked.count("PUT /leadart-startup/probe") == refusals + losses + 1
    assert asked[-2:] == ["DELETE /leadart-startup/probe", "DELETE /leadart-startup"]
