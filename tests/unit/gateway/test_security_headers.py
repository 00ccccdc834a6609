from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from consumer.gateway.routes.desk import STATIC
from tests.support.gateway_server import ServedGateway, serve_gateway

PAGES = ["/desk/", "/v1/articles", "/healthz", "/nothing", "/api/v1/health"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_tells_browsers_what_not_to_do(served: ServedGateway, path: str) -> None:
    """Pages, answers and errors alike: no script but our own, no frame, no guessing of types."""
    async with served.client().get(path) as answer:
        policy = answer.headers["content-security-policy"]
        directives = dict(part.split(" ", 1) for part in policy.split("; "))
        assert directives["default-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert directives["object-src"] == "'none'"
        assert "unsafe" not in policy
        assert "https://pictures.test" in directives["img-src"].split()
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers


async def test_answers_to_keys_are_kept_by_no_cache(served: ServedGateway) -> None:
    """What one caller may see is not stored for another; a picture's address says itself how long it lasts."""
    client = served.client(served.key())
    for path in ("/v1/articles", "/v1/session"):
        async with client.get(path) as answer:
            assert answer.headers["cache-control"] == "no-store"


async def test_behind_a_named_proxy_with_tls_browsers_are_told_to_keep_to_it() -> None:
    """Strict-Transport-Security follows X-Forwarded-Proto of a proxy that is named, and of no other."""
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}
    for proxies, told in (("127.0.0.0/8", True), ("192.0.2.0/24", False), ("", False)):
        async with (
            serve_gateway(proxies=proxies) as served,
            served.client().get("/healthz", headers=headers) as answer,
        ):
            assert ("strict-transport-security" in answer.headers) is told


class Inline(HTMLParser):
    """Collects what a policy without `unsafe-inline` forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.found += [f"{tag} {name}" for name in named if name.startswith("on") or name == "style"]
        self._open = tag if tag == "style" or (tag == "script" and not named.get("src")) else ""
        if self._open:
            self.found.append(tag)


@pytest.mark.parametrize("page", sorted(STATIC.rglob("*.html")), ids=lambda page: str(page.relative_to(STATIC)))
def test_no_page_has_inline_script_or_style(page: Path) -> None:
    """Nor an event handler: the policy would stop them."""
    inline = Inline()
    inline.feed(page.read_text(encoding="utf-8"))
    assert inline.found == []


def test_no_module_runs_text() -> None:
    """No `eval`, no `new Function`: the policy would stop them."""
    modules = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
    assert [path.name for path in modules if re.search(r"\beval\(|\bnew Function\(", path.read_text())] == []
