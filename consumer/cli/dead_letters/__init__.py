"""`leadart dead-letters`: requests that got no picture, looked through, redriven, purged."""

from __future__ import annotations

import typer

from consumer.cli.dead_letters.actions import purge, redrive
from consumer.cli.dead_letters.listing import list_letters, show

commands = typer.Typer(no_args_is_help=True, help="Requests that got no picture: looked through, redriven, purged.")
commands.command("list")(list_letters)
for command in (show, redrive, purge):
    commands.command()(command)
