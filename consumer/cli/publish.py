"""`leadart publish`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from consumer.cli.shared import EnvFile, console, settings_from


def publish(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(help="JSON file with the request's data; - for stdin."),
    ],
    env_file: EnvFile = None,
) -> None:
    """Publish a request as a CMS would, unchecked, and print its event id."""
    from consumer.dev.demo.newsroom import publish_file

    console.print(asyncio.run(publish_file(settings_from(env_file), file.read())))
