"""The desk as editors have it: a real gateway process beside worker, Kafka and store, and a browser each."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, workers
from tests.support.policies import policy_settings

PATIENCE_MS = BOUND * 1000


@dataclass(frozen=True)
class Newsroom:
    """A site with a worker and a gateway, and a key of its CMS."""

    site: Site
    gateway: GatewayProcess

    @property
    def key(self) -> str:
        """The CMS's API key."""
        return self.gateway.key


@contextmanager
def newsroom(kafka: KafkaServer, s3: S3Server, folder: Path, **settings: str) -> Iterator[Newsroom]:
    """Run all of it; cards take `ENGINE__SWATCH_SECONDS` each."""
    own = {"ENGINE__SWATCH_SECONDS": "0.3", **policy_settings(folder), **settings}
    site = Site.fresh(kafka, s3, **own).prepare()
    public = f"{s3.endpoint_url}/{site.env['LEADART_STORAGE__BUCKET']}"
    site = site.changed(STORAGE__PUBLIC_BASE_URL=public)
    with workers(site, folder), gateway_process(site, folder, name="kim") as gateway:
        yield Newsroom(site, gateway)


@dataclass
class Editor:
    """Somebody at the desk. `errors`: what the browser's console said is wrong."""

    page: Any
    url: str
    errors: list[str] = field(default_factory=list)

    async def open(self, hash_: str = "#/") -> None:
        """Open an address of the desk."""
        await self.page.goto(f"{self.url}/desk/{hash_}")

    async def open_slot(self, article_id: str, slot: str = "hero") -> None:
        """Open a slot and wait until it is shown."""
        await self.open(f"#/a/{quote(article_id, safe='')}/{slot}")
        await self.page.wait_for_selector("desk-article .decide .state")

    async def state(self, text: str) -> None:
        """Wait until the open slot is in a state, by its words."""
        await self.page.wait_for_selector(f"desk-article .decide .state:text-is('{text}')")

    def card(self, headline: str) -> Any:
        """Return the card of a story."""
        return self.page.locator("desk-card", has=self.page.get_by_role("link", name=headline, exact=True))

    def expect(self, *patterns: str) -> None:
        """Take away the errors that were caused: a server killed, a key refused."""
        self.errors[:] = [error for error in self.errors if not any(re.search(pattern, error) for pattern in patterns)]


@asynccontextmanager
async def editor(browser: Any, room: Newsroom, *, signed_in: bool = True, **context: Any) -> AsyncIterator[Editor]:
    """Open a browser window at the desk; fails if its console has an error at the end, or was refused by a policy."""
    opened = await browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1200, "height": 800}, **context})
    page = await opened.new_page()
    page.set_default_timeout(PATIENCE_MS)
    someone = Editor(page, room.gateway.url)
    page.on("console", lambda message: someone.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: someone.errors.append(str(error)))
    try:
        await someone.open(f"#key={room.key}" if signed_in else "")
        await page.wait_for_selector("desk-list" if signed_in else ".sign-in")
        yield someone
        assert someone.errors == []
    finally:
        await opened.close()


def story(article_id: str, headline: str, variants: int = 1, revision: int = 1, **facts: Any) -> dict[str, Any]:
    """Return a request for a story's pictures, a few steps long."""
    return {
        "article": {"id": article_id, "revision": revision, "headline": headline, "section": "World", **facts},
        "output": {"variants": variants, "width": 96, "height": 64},
        "generation": {"steps": 6},
    }


def describe(violations: Sequence[dict[str, Any]]) -> list[str]:
    """Return what axe found, a line for each element."""
    return [f"{one['id']}: {node['html']}: {node['failureSummary']}" for one in violations for node in one["nodes"]]
