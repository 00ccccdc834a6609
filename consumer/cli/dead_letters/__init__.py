"""`leadart dead-letters`: list, show, redrive and purge failed requests."""

import typer

from consumer.cli.dead_letters.actions import purge, redrive
from consumer.cli.dead_letters.listing import list_letters, show

commands = typer.Typer(no_args_is_help=True, help="List, show, redrive or purge failed requests.")
commands.command("list")(list_letters)
for command in (show, redrive, purge):
    commands.command()(command)
