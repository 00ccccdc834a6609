"""The root of the command line: all commands in the order of its help, and how an error is told."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from consumer import __version__
from consumer.cli import bench, dead_letters, doctor, heads, store, topics
from consumer.cli.demo import demo, dev
from consumer.cli.lag import lag
from consumer.cli.publish import publish
from consumer.cli.replay import replay
from consumer.cli.shared import complain, console
from consumer.cli.simulate import simulate
from consumer.cli.studio import generate, styles
from consumer.cli.worker import worker
from consumer.delivery.ports import BusError
from consumer.errors import LeadartError

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="An article is saved; its picture is announced."
)
for command in (worker, demo, dev, publish, replay, lag, simulate, styles, generate):
    app.command()(command)
app.add_typer(doctor.commands, name="doctor")
app.add_typer(topics.commands, name="topics")
app.add_typer(heads.commands, name="heads")
app.add_typer(store.commands, name="store")
app.add_typer(dead_letters.commands, name="dead-letters")
app.add_typer(bench.commands, name="bench")


def main() -> None:
    """Run the command line; errors a person can act on are one sentence on stderr and exit status 1."""
    try:
        app()
    except (LeadartError, BusError, OSError, BaseExceptionGroup) as error:
        told = _told(error)
        if told is None:
            raise
        complain(told)
        sys.exit(1)


def _told(error: BaseException) -> str | None:
    """Return the first sentence meant for people in an error or a group; None if there is a defect among them."""
    if isinstance(error, BaseExceptionGroup):
        told = [_told(inner) for inner in error.exceptions]
        return None if None in told else told[0]
    if isinstance(error, LeadartError):
        return f"{error.message} ({error.reason})"
    if isinstance(error, BusError):
        return f"Kafka does not answer: {error}. Set LEADART_KAFKA__BOOTSTRAP_SERVERS, or give --env-file."
    if isinstance(error, OSError) and error.filename is not None:  # a person named it; a socket has no name
        return f"{error.filename}: {error.strerror}"
    return None


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Say who we are."""
    if version:
        console.print(__version__)
        raise typer.Exit
