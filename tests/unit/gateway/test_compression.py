"""`consumer.gateway.compression`: what is compressed, and what is not."""

from __future__ import annotations

import pytest

from tests.support.gateway import GatewayBench
from tests.support.harness import request_data

FONT = "/desk/vendor/fonts/inter-latin-wght-normal.woff2"


@pytest.mark.parametrize(
    ("path", "compressed"), [("/v1/articles", True), ("/desk/desk.css", True), (FONT, False), ("/desk/icon.svg", False)]
)
async def test_what_is_long_is_compressed(bench: GatewayBench, path: str, *, compressed: bool) -> None:
    """Unless its format is compressed already; the desk's files are still asked for again each time."""
    for article in ("a-1", "a-2", "a-3"):
        await bench.ask(request_data(article))
    answer = await bench.call("GET", path, accept_encoding="gzip")
    assert answer.status_code == 200
    assert ("content-encoding" in answer.headers) == compressed
    if path.startswith("/desk/"):
        etag = answer.headers["etag"]
        assert (await bench.call("GET", path, accept_encoding="gzip", if_none_match=etag)).status_code == 304


async def test_who_takes_no_compression_gets_none(bench: GatewayBench) -> None:
    """The answer is as it is."""
    answer = await bench.call("GET", "/desk/desk.css", accept_encoding="identity")
    assert "content-encoding" not in answer.headers
