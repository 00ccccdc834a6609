"""A corner of the servers made ready quickly, and a CMS there that outlives a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from consumer.kafka.cms_client import open_publisher, open_subscriber
from schemas import names
from tests.support.harness import Cms, Site

PUBLISH_SECONDS = 180


def empty(folder: Path) -> None:
    """Make the folder, or remove the files that an earlier try left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()


@asynccontextmanager
async def newsroom(site: Site) -> AsyncIterator[Cms]:
    """Open a CMS that publishes each record once whatever the broker does, and hears only what was committed."""
    patient = site.changed(KAFKA__REQUEST_TIMEOUT_SECONDS=str(PUBLISH_SECONDS)).settings
    async with (
        open_publisher(patient) as publisher,
        open_subscriber(site.settings, (names.OUTCOME, names.DEAD_LETTER), from_start=True) as subscriber,
    ):
        yield Cms(site, publisher.producer, subscriber.consumer)
