"""The desk's files keep to what the gateway's Content-Security-Policy and the house style allow."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.desk_modules import DESK

LONGEST_FILE = 350


def test_nothing_is_inline_or_from_elsewhere() -> None:
    """No script, style or handler in the page, and no address of another host in what it loads."""
    page = (DESK / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\son\w+=|style=|<script(?![^>]*\ssrc=)", page)
    loaded = "".join(file.read_text(encoding="utf-8") for file in DESK.rglob("*") if file.suffix in {".css", ".html"})
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"/\*.*?\*/", "", loaded, flags=re.DOTALL)) == []


def test_modules_stay_small() -> None:
    """As the product's Python does."""
    assert [
        file.name for file in DESK.rglob("*.js") if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
    ] == []


def test_what_is_vendored_lies_beside_its_licence() -> None:
    """Each font's family and each library has a licence file."""
    vendored = {name_of(file) for pattern in ("*.woff2", "*.js") for file in (DESK / "vendor").rglob(pattern)}
    assert vendored == {name_of(file) for file in (DESK / "vendor").rglob("*.txt")}


def name_of(file: Path) -> str:
    return file.stem.partition("-")[0]
