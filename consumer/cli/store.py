"""`leadart store`."""

import asyncio
from typing import Annotated

import typer

from consumer.cli.shared import EnvFile, complain, console, settings_from

commands = typer.Typer(no_args_is_help=True, help="The object store.")


@commands.command("prepare")
def store_prepare(
    env_file: EnvFile = None,
    public: Annotated[bool, typer.Option(help="Let anyone read the pictures (never the manifests).")] = False,
) -> None:
    """Create the bucket if it is missing, and check that it is usable."""
    from consumer.storage import S3Store

    settings = settings_from(env_file)

    async def prepare() -> list[str]:
        async with S3Store(settings.storage) as store:
            await store.prepare(create=True, public=public)
            return await store.examine()

    for shortcoming in asyncio.run(prepare()):
        complain(shortcoming)
    console.print(f"bucket {settings.storage.bucket} is ready")
