"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from tests.support.absent import absent

_ARGUMENTS = ("--no-sandbox", "--disable-gpu")  # CI is root, and has no display


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Yield the browser; skip, or fail in CI, where it is missing."""
    executable = shutil.which("chromium")
    if executable is None:
        absent("chromium is not installed (Debian: apt-get install chromium)")
    if find_spec("playwright") is None:
        absent("playwright is not installed: make install")
    from playwright.async_api import async_playwright  # noqa: PLC0415 - may be missing

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
