"""`leadart publish`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import EnvFile, say, settings_from

if TYPE_CHECKING:
    from consumer.settings import Settings
    from schemas.cloudevents import Event


def publish(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(help="JSON file with the request's data; - for stdin."),
    ],
    env_file: EnvFile = None,
) -> None:
    """Publish a request as a CMS would, unchecked, and print its event id."""
    from consumer.kafka.cms_client import parse_request_file

    settings, event = settings_from(env_file), parse_request_file(file.read())
    asyncio.run(_publish(settings, event))
    say(event.id)


async def _publish(settings: Settings, event: Event) -> None:
    from consumer.kafka.cms_client import open_publisher

    async with open_publisher(settings) as publisher:
        await publisher.publish(event)
